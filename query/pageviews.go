package query

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"pawl/processor"
	"pawl/schemas/record"
	"pawl/statestore"
)

// viewed is a page with its views in the window.
type viewed struct {
	Page  string `json:"page"`
	Views int64  `json:"views"`
}

// compareViewed puts the most viewed first, and of equally viewed ones the least name.
func compareViewed(a, b viewed) int {
	return cmp.Or(cmp.Compare(b.Views, a.Views), cmp.Compare(a.Page, b.Page))
}

// topMax is how many pages can be asked for.
const topMax = 1000

// most is what a task contributes: its most viewed pages, and up to when they are counted.
type most struct {
	Pages     []viewed `json:"pages"`
	Watermark int64    `json:"watermark"`
}

// tops keeps each task's most viewed pages of the last epoch somebody asked about.
type tops struct {
	mu    sync.Mutex
	tasks map[string]ranking
}

type ranking struct {
	claim, epoch int64
	pages        []viewed
}

// topPages answers with the pages most viewed in the window, over all tasks.
func (s *server) topPages() *endpoint[most] {
	kept := &tops{tasks: make(map[string]ranking)}
	return &endpoint[most]{
		parameters: []string{"n"},
		partial:    true,
		tasks: func(q *question) ([]int32, *Problem) {
			n := 0
			if p := q.number("n", &n, 1, topMax); p != nil {
				return nil, p
			}
			return everyone(q)
		},
		brief: func(*question) []processor.StateRange { return nil }, // its epoch tells enough
		glance: func(q *question, v View) (most, error) {
			pages, ok := kept.known(v.Standing())
			if !ok {
				return most{}, errMore
			}
			return most{pages[:min(topOf(q), len(pages))], v.Standing().Watermark}, nil
		},
		ranges: func(*question) []processor.StateRange {
			return []processor.StateRange{{Table: "page-counts"}}
		},
		read: func(q *question, v View) (most, error) {
			of := kept.of
			if q.asOf != nil {
				of = rank // of another time than what is kept
			}
			pages, err := of(v)
			return most{pages[:min(topOf(q), len(pages))], v.Standing().Watermark}, err
		},
		merge: s.mergeTop,
	}
}

func topOf(q *question) int {
	n := 10
	_ = q.number("n", &n, 1, topMax) // judged before
	return n
}

// taskAt names the task that stands there; "" before its first record.
func taskAt(at record.Position) string {
	if len(at.Inputs) == 0 {
		return ""
	}
	return partitionName(at.Inputs[0].Topic, at.Inputs[0].Partition)
}

// known are a task's pages, if somebody asked about this epoch before.
func (t *tops) known(at record.Position) ([]viewed, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.tasks[taskAt(at)]
	return known.pages, ok && known.claim == at.Claim && known.epoch == at.Epoch
}

// of ranks a task's pages, once an epoch.
func (t *tops) of(v View) ([]viewed, error) {
	at := v.Standing()
	if pages, ok := t.known(at); ok {
		return pages, nil
	}
	all, err := rank(v)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.tasks[taskAt(at)] = ranking{at.Claim, at.Epoch, all}
	t.mu.Unlock()
	return all, nil
}

// rank gives a task's most viewed pages.
func rank(v View) ([]viewed, error) {
	var all []viewed
	var failed error
	_, err := v.Scan(0, func(key statestore.Key, raw []byte) bool {
		parts, err := statestore.DecodeKey(key)
		var total any
		if err == nil {
			total, err = v.JSON(raw)
		}
		if failed = err; err != nil {
			return false
		}
		page, _ := parts[0].(string)
		all = append(all, viewed{page, number(field(total, "views"))})
		return true
	})
	if err := cmp.Or(err, failed); err != nil {
		return nil, err
	}
	slices.SortFunc(all, compareViewed)
	return slices.Clone(all[:min(topMax, len(all))]), nil
}

// mergeTop ranks the tasks' pages together. The window is that of the task that is furthest behind.
func (s *server) mergeTop(q *question, parts []most) (fields, *Problem) {
	all := []viewed{}
	watermark := parts[0].Watermark
	for _, p := range parts {
		all = append(all, p.Pages...)
		watermark = min(watermark, p.Watermark)
	}
	slices.SortFunc(all, compareViewed)
	f := fields{"pages": all[:min(topOf(q), len(all))], "from": nil, "to": nil}
	if at := timeOf(watermark); at != nil {
		// A second is counted when the watermark has passed it and the grace.
		to := at.Add(-s.options.PageViewsGrace - time.Millisecond).Truncate(time.Second)
		f["from"], f["to"] = to.Add(-s.options.PageViewsSpan), to
	}
	return f, nil
}
