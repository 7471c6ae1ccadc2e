package pageviews

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/pageviews"
	"pawl/statestore"
)

// PerSecond is how often a page was viewed in one second, which ends with its number.
type PerSecond struct {
	Second int64 // since the epoch
	Views  int64
}

// Spec tells how to verify the pipeline with these settings.
func Spec(cfg Config) verify.Spec {
	cfg.EnsureDefaults()
	return verify.Spec{
		Pipeline: Name,
		Inputs:   []verify.Topic{{Name: PageViews}},
		Outputs:  []verify.OutputTopic{verify.NewOutput(PageCounts, schema.PageCountType())},
		Windows:  []string{Window},
		NewModel: func(r *schemas.Resolver) verify.Model { return NewOracle(cfg, r) },
		Canonical: func(ctx context.Context, state map[string][]byte, r *schemas.Resolver,
			watermark int64,
		) (map[string]any, error) {
			left := int64(math.MinInt64)
			if watermark != math.MinInt64 {
				closed := (watermark - 1 - cfg.grace().Milliseconds()) / 1000
				left = closed - int64(cfg.Span.Seconds())
			}
			return canonical(ctx, state, r, left)
		},
	}
}

// reader brings one task's state into the form of Oracle.State: what was last emitted of a page,
// and its views in each second that has not left the window, however the tables hold them.
type reader struct {
	resolver *schemas.Resolver
	totals   *schemas.Decoder[schema.PageTotal]
	minutes  *schemas.Decoder[schema.PageMinute]
	left     int64 // the last second that has left the window
	out      map[string]any
	pages    map[string][]PerSecond
}

func canonical(ctx context.Context, state map[string][]byte, r *schemas.Resolver, left int64) (
	map[string]any, error,
) {
	rd := &reader{
		resolver: r,
		totals:   schemas.NewDecoder(schema.PageTotalType(), r),
		minutes:  schemas.NewDecoder(schema.PageMinuteType(), r),
		left:     left,
		out:      make(map[string]any),
		pages:    make(map[string][]PerSecond),
	}
	for key, value := range state {
		if err := rd.entry(ctx, []byte(key), value); err != nil {
			return nil, err
		}
	}
	for page, list := range rd.pages {
		slices.SortFunc(list, func(a, b PerSecond) int { return cmp.Compare(a.Second, b.Second) })
		rd.out[MinutesTable+"/"+page] = list
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
	page, _ := parts[1].(string)
	exception := ""
	switch parts[0] {
	case PageCounts:
		var t schema.PageTotal
		exception, err = verify.Read(ctx, rd.resolver, rd.totals, value, &t)
		rd.out[PageCounts+"/"+page] = t
	case MinutesTable:
		if len(parts) != 3 {
			return fmt.Errorf("state key %v of table %s is not (page, minute)", parts, MinutesTable)
		}
		var m schema.PageMinute
		exception, err = verify.Read(ctx, rd.resolver, rd.minutes, value, &m)
		rd.minute(page, parts[2].(int64), &m)
	case "timers-due":
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

// minute takes the seconds of one entry. One with nothing left in it should be gone, and one whose
// counts do not lie in its minute, from the first with views to the last, is damaged: it becomes an
// entry of its own, which no oracle has.
func (rd *reader) minute(page string, minute int64, m *schema.PageMinute) {
	n := len(m.Counts)
	living := false
	for i, views := range m.Counts {
		second := minute*60 + m.First + int64(i)
		if views > 0 && second > rd.left {
			rd.pages[page] = append(rd.pages[page], PerSecond{Second: second, Views: views})
			living = true
		}
	}
	if !living || m.First < 0 || m.First+int64(n) > 60 || m.Counts[0] == 0 || m.Counts[n-1] == 0 {
		rd.out[fmt.Sprintf("%s/%s/%d", MinutesTable, page, minute)] = *m
	}
}
