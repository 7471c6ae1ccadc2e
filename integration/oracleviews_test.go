//go:build unix

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/pipelines/pageviews"
	"pawl/schemas"
	schema "pawl/schemas/pageviews"
)

// moment is what one task's input below an offset says.
type moment struct {
	watermark time.Time
	totals    map[string]schema.PageTotal
	seconds   map[string][]pageviews.PerSecond
}

// history is the oracle of answers: every task's moment at each offset that an answer names.
type history struct {
	cfg   pageviews.Config
	tasks map[int32]map[int64]moment
}

// replayed feeds each task's input to the oracle of the pipeline, from its beginning, and keeps
// the moments at the offsets of wanted. It knows nothing of the engine.
func replayed(ctx context.Context, s *stage, cfg pageviews.Config,
	wanted map[int32]map[int64]bool) (*history, error) {
	source, err := verify.NewKafka(s.app, kgo.SeedBrokers(s.brokers))
	if err != nil {
		return nil, err
	}
	defer source.Close()
	topic := s.prefix() + pageviews.PageViews
	bounds, err := source.Bounds(ctx, topic)
	if err != nil {
		return nil, err
	}
	h := &history{cfg: cfg, tasks: make(map[int32]map[int64]moment)}
	for task := range wanted {
		left := slices.Sorted(maps.Keys(wanted[task]))
		kept := make(map[int64]moment, len(left))
		oracle := pageviews.NewOracle(cfg, schemas.NewResolver(s.registry))
		upTo := func(offset int64) { // keeps what holds with all below offset
			if len(left) > 0 && left[0] <= offset {
				kept[left[0]] = momentOf(oracle)
				left = left[1:]
			}
		}
		err := verify.Each(ctx, source, topic, task, bounds[task], func(r *kgo.Record) error {
			upTo(r.Offset)
			_, err := oracle.Feed(ctx, verify.Input{Topic: pageviews.PageViews, Partition: task,
				Offset: r.Offset, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp.UnixMilli(),
				Headers: r.Headers})
			return err
		})
		if err != nil {
			return nil, err
		}
		upTo(bounds[task].To)
		if len(left) > 0 {
			return nil, fmt.Errorf("answers name offsets %v of task %d, whose input ends at %d",
				left, task, bounds[task].To)
		}
		h.tasks[task] = kept
	}
	return h, nil
}

// momentOf is what an oracle says now.
func momentOf(oracle *pageviews.Oracle) moment {
	m := moment{watermark: time.UnixMilli(oracle.Watermark()),
		totals:  make(map[string]schema.PageTotal),
		seconds: make(map[string][]pageviews.PerSecond)}
	for name, value := range oracle.State() {
		table, page, _ := strings.Cut(name, "/")
		switch value := value.(type) {
		case schema.PageTotal:
			m.totals[page] = value
		case []pageviews.PerSecond:
			if table == pageviews.MinutesTable {
				m.seconds[page] = value
			}
		}
	}
	return m
}

// judge says what is wrong with an answer.
func (h *history) judge(a *answer) error {
	at := make(map[int32]moment)
	for _, s := range a.Tasks {
		m := h.tasks[s.Partition][s.offset]
		at[s.Partition] = m
		if s.Watermark == nil || !s.Watermark.Equal(m.watermark) {
			return fmt.Errorf("task %d: the watermark is %v at offset %d, want %v", s.Partition,
				s.Watermark, s.offset, m.watermark)
		}
	}
	switch q := a.question; q.kind {
	case onePage:
		return h.judgePage(a, at[a.Tasks[0].Partition])
	case itsMinutes:
		return h.judgeMinutes(a, at[a.Tasks[0].Partition])
	case manyPages:
		return h.judgeRows(a, at)
	case mostViewed:
		return h.judgeTop(a, at)
	default:
		return fmt.Errorf("no such kind of question: %d", q.kind)
	}
}

// shownTotal is a PageTotal as answers show it.
type shownTotal struct {
	Views  int64     `json:"views"`
	AsOf   time.Time `json:"as_of"`
	Oldest int64     `json:"oldest"`
}

func (t *shownTotal) total() schema.PageTotal {
	return schema.PageTotal{Views: t.Views, AsOf: t.AsOf.UnixMilli(), Oldest: t.Oldest}
}

func (h *history) judgePage(a *answer, m moment) error {
	want, known := m.totals[a.question.page]
	if !known && a.absent {
		return nil
	}
	var got shownTotal
	if known && !a.absent {
		if err := json.Unmarshal(a.Value, &got); err != nil {
			return err
		}
	}
	if known == a.absent || got.total() != want {
		return fmt.Errorf("page %s has %+v (absent: %v), want %+v (known: %v)", a.question.page,
			got, a.absent, want, known)
	}
	return nil
}

// judgeMinutes compares the views of each second that has not left the window; what has left it
// is dropped when the page is looked at next.
func (h *history) judgeMinutes(a *answer, m moment) error {
	closed := (m.watermark.UnixMilli() - 1 - h.cfg.Grace.Milliseconds()) / 1000
	left := closed - int64(h.cfg.Span/time.Second)
	var got []pageviews.PerSecond
	for _, r := range a.Rows {
		var minute schema.PageMinute
		if err := json.Unmarshal(r.Value, &minute); err != nil {
			return err
		}
		for i, views := range minute.Counts {
			second := r.Minute*60 + minute.First + int64(i)
			if views > 0 && second > left {
				got = append(got, pageviews.PerSecond{Second: second, Views: views})
			}
		}
	}
	if want := m.seconds[a.question.page]; !slices.Equal(got, want) {
		return fmt.Errorf("page %s has views %v, want %v", a.question.page, got, want)
	}
	return nil
}

// judgeRows compares a list with all pages that it should have: of the tasks that answered, within
// the question's bounds, up to where the list goes on.
func (h *history) judgeRows(a *answer, at map[int32]moment) error {
	q := a.question
	var want []string
	for _, m := range at {
		for page := range m.totals {
			if page >= q.from && (q.to == "" || page <= q.to) && (a.Next == "" || page < a.next) {
				want = append(want, page)
			}
		}
	}
	slices.Sort(want)
	if len(a.Rows) > q.limit || len(a.Rows) != len(want) {
		return fmt.Errorf("%d rows of at most %d up to %q, want %d", len(a.Rows), q.limit, a.next,
			len(want))
	}
	for i, r := range a.Rows {
		var page string
		var got shownTotal
		if err := errors.Join(json.Unmarshal(r.Key, &page),
			json.Unmarshal(r.Value, &got)); err != nil {
			return err
		}
		if total := at[taskOfPage(page)].totals[page]; page != want[i] || got.total() != total {
			return fmt.Errorf("row %d is %s with %+v, want %s with %+v", i, page, got, want[i],
				total)
		}
	}
	return nil
}

// judgeTop compares the most viewed pages of the tasks that answered, and the window's bounds: of
// the task that is furthest behind.
func (h *history) judgeTop(a *answer, at map[int32]moment) error {
	var all [][]pageviews.Ranked
	var least time.Time
	for _, m := range at {
		var pages []pageviews.Ranked
		for page, total := range m.totals {
			pages = append(pages, pageviews.Ranked{Page: page, Views: total.Views})
		}
		all = append(all, pages)
		if least.IsZero() || m.watermark.Before(least) {
			least = m.watermark
		}
	}
	if want := pageviews.Top(all, a.question.limit); !slices.Equal(a.Pages, want) {
		return fmt.Errorf("the top are %v, want %v", a.Pages, want)
	}
	to := least.Add(-h.cfg.Grace - time.Millisecond).Truncate(time.Second)
	if a.To == nil || !a.To.Equal(to) || !a.From.Equal(to.Add(-h.cfg.Span)) {
		return fmt.Errorf("the window is (%v, %v], want it to end at %v", a.From, a.To, to)
	}
	return nil
}
