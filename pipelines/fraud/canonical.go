package fraud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/fraud"
	"pawl/statestore"
)

// Total is what one user paid in one millisecond.
type Total struct {
	At    int64 // ms
	Count int64
	Cents int64
}

// Spec tells how to verify the pipeline with these settings.
func Spec(cfg Config) verify.Spec {
	cfg.EnsureDefaults()
	spec := verify.Spec{
		Pipeline: Name,
		Inputs:   []verify.Topic{{Name: Transactions}, {Name: LimitsTopic, Table: true}},
		Windows:  []string{Name},
		NewModel: func(r *schemas.Resolver) verify.Model { return NewOracle(cfg, r) },
		Canonical: func(ctx context.Context, state map[string][]byte, r *schemas.Resolver,
			watermark int64,
		) (map[string]any, error) {
			horizon := watermark
			if watermark != math.MinInt64 {
				horizon -= cfg.retention()
			}
			return canonical(ctx, state, r, horizon)
		},
	}
	if !cfg.NoDecisions {
		spec.Outputs = append(spec.Outputs, verify.NewOutput(Decisions, schema.DecisionType()))
	}
	spec.Outputs = append(spec.Outputs, verify.NewOutput(Alerts, schema.AlertType()))
	return spec
}

// reader brings one task's state into the form of Oracle.State: a user's limits, and what a user
// paid in each millisecond above horizon, however the tables hold it.
type reader struct {
	resolver *schemas.Resolver
	roots    *schemas.Decoder[schema.Velocity]
	nodes    *schemas.Decoder[schema.VelocityNode]
	limits   *schemas.Decoder[schema.Limits]
	horizon  int64
	out      map[string]any
	users    map[string][]Total
	sums     []stretch
}

// stretch is a slot of a tree above its lowest level: what it says must be what lies below it.
type stretch struct {
	user  string
	first int64 // ms
	last  int64
	count int64
	cents int64
}

func canonical(ctx context.Context, state map[string][]byte, r *schemas.Resolver, horizon int64) (
	map[string]any, error,
) {
	rd := &reader{
		resolver: r,
		roots:    schemas.NewDecoder(schema.VelocityType(), r),
		nodes:    schemas.NewDecoder(schema.VelocityNodeType(), r),
		limits:   schemas.NewDecoder(schema.LimitsType(), r),
		horizon:  horizon,
		out:      make(map[string]any),
		users:    make(map[string][]Total),
	}
	for key, value := range state {
		if err := rd.entry(ctx, []byte(key), value); err != nil {
			return nil, err
		}
	}
	for user, list := range rd.users {
		rd.users[user] = merged(list)
		rd.out[VelocityTable+"/"+user] = rd.users[user]
	}
	for _, s := range rd.sums {
		rd.checkSum(s)
	}
	return rd.out, nil
}

// entry reads one key of the changelog: the table's name, then the table's own key.
func (rd *reader) entry(ctx context.Context, key, value []byte) error {
	parts, err := statestore.DecodeKey(key)
	if err != nil {
		return err
	}
	if len(parts) < 2 {
		return fmt.Errorf("state key %x has no table and key", key)
	}
	user, _ := parts[1].(string)
	exception := ""
	switch parts[0] {
	case LimitsTopic:
		var l schema.Limits
		exception, err = verify.Read(ctx, rd.resolver, rd.limits, value, &l)
		rd.out[LimitsTopic+"/"+user] = l
	case VelocityTable:
		var v schema.Velocity
		exception, err = verify.Read(ctx, rd.resolver, rd.roots, value, &v)
		rd.slots(user, v.Level, v.Base, v.Slots)
	case NodesTable:
		if len(parts) != 4 {
			return fmt.Errorf("state key %v of table %s is not (user, level, bucket)", parts,
				NodesTable)
		}
		var n schema.VelocityNode
		exception, err = verify.Read(ctx, rd.resolver, rd.nodes, value, &n)
		rd.slots(user, int32(parts[2].(int64)), parts[3].(int64)*64, n.Slots)
	case "timers-expiry":
	default:
		err = errors.New("the pipeline has no such table")
	}
	if exception != "" {
		err = errors.New(exception)
	}
	if err != nil {
		return fmt.Errorf("state key %v: %w", parts, err)
	}
	return nil
}

// slots takes the slots of one entry; width is 64^level ms.
func (rd *reader) slots(user string, level int32, base int64, slots []schema.Slot) {
	width := int64(1)
	for range level {
		width *= 64
	}
	for _, s := range slots {
		first := (base + s.Index) * width
		if first <= rd.horizon {
			continue
		}
		if level > 0 {
			rd.sums = append(rd.sums,
				stretch{user, first, first + width - 1, s.Count, s.TotalCents})
			continue
		}
		rd.users[user] = append(rd.users[user],
			Total{At: first, Count: s.Count, Cents: s.TotalCents})
	}
}

// merged sorts a list and adds up what stands in one millisecond.
func merged(list []Total) []Total {
	slices.SortFunc(list, func(a, b Total) int { return cmp.Compare(a.At, b.At) })
	out := list[:0]
	for _, t := range list {
		if n := len(out); n > 0 && out[n-1].At == t.At {
			out[n-1].Count += t.Count
			out[n-1].Cents += t.Cents
			continue
		}
		out = append(out, t)
	}
	return out
}

// checkSum compares a slot above the lowest level with the milliseconds below it. A wrong one
// becomes an entry of its own, which no oracle has.
func (rd *reader) checkSum(s stretch) {
	list := rd.users[s.user]
	i, _ := slices.BinarySearchFunc(list, s.first, func(t Total, at int64) int {
		return cmp.Compare(t.At, at)
	})
	var count, cents int64
	for ; i < len(list) && list[i].At <= s.last; i++ {
		count += list[i].Count
		cents += list[i].Cents
	}
	if count != s.count || cents != s.cents {
		rd.out[fmt.Sprintf("%s/%s/%d–%d", VelocityTable, s.user, s.first, s.last)] = fmt.Sprintf(
			"slot says %d of %d cents, below it are %d of %d", s.count, s.cents, count, cents)
	}
}
