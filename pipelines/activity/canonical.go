package activity

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/activity"
	"pawl/schemas/record"
	"pawl/statestore"
)

// countTable holds how many events the batches of a user have taken.
const countTable = Batches + "-count"

// Spec tells how to verify the pipeline with these settings.
func Spec(cfg Config) verify.Spec {
	return verify.Spec{
		Pipeline: Name,
		Inputs:   []verify.Topic{{Name: UserEvents}},
		Outputs: []verify.OutputTopic{
			verify.NewOutput(ProcessedEvents, schema.UserAggregateType()),
			verify.NewOutput(UserAggregates, schema.UserAggregateType()),
			verify.NewOutput(UserBatches, schema.UserBatchType()),
		},
		Windows:  []string{PerMinute, FiveMinutes},
		NewModel: func(r *schemas.Resolver) verify.Model { return NewOracle(cfg, r) },
		Canonical: func(ctx context.Context, state map[string][]byte, r *schemas.Resolver,
			_ int64,
		) (map[string]any, error) {
			return canonical(ctx, state, r)
		},
	}
}

// stateName names one entry of a table: the parts of its key are quoted, so that no user or id can
// stand for two of them.
func stateName(table string, parts ...any) string {
	b := []byte(table)
	for _, part := range parts {
		b = append(b, '/')
		if n, ok := part.(int64); ok {
			b = strconv.AppendInt(b, n, 10)
		} else {
			b = fmt.Appendf(b, "%q", part)
		}
	}
	return string(b)
}

// reader brings one task's state into the form of Oracle.State.
type reader struct {
	resolver *schemas.Resolver
	sums     *schemas.Decoder[schema.Sum]
	batches  *schemas.Decoder[schema.Batch]
	counts   *schemas.Decoder[record.Counter]
	timers   *schemas.Decoder[record.Timer]
	out      map[string]any
}

func canonical(ctx context.Context, state map[string][]byte, r *schemas.Resolver) (map[string]any,
	error,
) {
	rd := &reader{
		resolver: r,
		sums:     schemas.NewDecoder(schema.SumType(), r),
		batches:  schemas.NewDecoder(schema.BatchType(), r),
		counts:   schemas.NewDecoder(record.CounterType(), r),
		timers:   schemas.NewDecoder(record.TimerType(), r),
		out:      make(map[string]any),
	}
	for key, value := range state {
		parts, err := statestore.DecodeKey([]byte(key))
		if err == nil {
			err = rd.entry(ctx, parts, value)
		}
		if err != nil {
			return nil, fmt.Errorf("state key %v: %w", parts, err)
		}
	}
	return rd.out, nil
}

// entry reads one key of the changelog: the table's name, then the table's own key.
func (rd *reader) entry(ctx context.Context, parts []any, value []byte) error {
	if len(parts) == 0 {
		return errors.New("it is empty")
	}
	table, _ := parts[0].(string)
	name := stateName(table, parts[1:]...)
	exception, err := "", error(nil)
	switch {
	case table == PerMinute || table == FiveMinutes:
		var s schema.Sum
		exception, err = verify.Read(ctx, rd.resolver, rd.sums, value, &s)
		rd.out[name] = s
	case table == Batches:
		var b schema.Batch
		exception, err = verify.Read(ctx, rd.resolver, rd.batches, value, &b)
		rd.out[name] = b
	case table == countTable:
		var n record.Counter
		exception, err = verify.Read(ctx, rd.resolver, rd.counts, value, &n)
		rd.out[name] = n.N
	case table == Seen:
		var t record.Timer
		exception, err = verify.Read(ctx, rd.resolver, rd.timers, value, &t)
		rd.out[name] = t.At
	case strings.HasPrefix(table, "timers-"):
	default:
		err = errors.New("the pipeline has no such table")
	}
	if exception != "" {
		err = errors.New(exception)
	}
	return err
}
