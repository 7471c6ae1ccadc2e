package query

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"pawl/processor"
)

// asOf is the parameter that asks for a checkpoint's state instead of the present one.
const asOf = "as-of"

// Moment is what as-of asks for: the newest checkpoint of a task at or before it.
type Moment struct {
	Text  string    // as it was asked
	Time  time.Time // zero when an epoch was given
	Epoch int64
}

// Copy names a checkpoint.
type Copy struct {
	ID      string
	Created time.Time
}

// Past is the state of tasks as their checkpoints hold it. A *Problem among the errors says what
// to answer.
type Past interface {
	// List gives the application's checkpoints, as JSON shows them, and when they were listed.
	List(ctx context.Context) (rows any, at time.Time, err error)
	// View calls read with the ranges as the newest checkpoint of the task at or before the moment
	// has them. It waits until ctx ends for the checkpoint to be there.
	View(ctx context.Context, partition int32, at Moment, ranges []processor.StateRange,
		read func(View, Copy) error) error
}

// ViewOf makes a View of what the processor reads.
func ViewOf(v *processor.StateView) View { return view{v} }

// readAsOf reads the parameter; it is for endpoints that can be answered from a checkpoint.
func (q *question) readAsOf() *Problem {
	if !q.values.Has(asOf) {
		return nil
	}
	m := &Moment{Text: q.values.Get(asOf)}
	var err error
	if m.Epoch, err = strconv.ParseInt(m.Text, 10, 64); err == nil && m.Epoch < 0 {
		err = strconv.ErrRange
	} else if err != nil {
		m.Time, err = time.Parse(time.RFC3339, m.Text)
	}
	if err != nil || m.Time.IsZero() && m.Epoch == 0 && m.Text != "0" {
		return refuse(http.StatusBadRequest, "as-of=%.60q is neither an epoch nor a time of RFC "+
			"3339, such as 2026-01-02T15:04:05Z", m.Text)
	}
	if q.values.Has("min-epoch") {
		return refuse(http.StatusBadRequest, "as-of and min-epoch exclude each other; give one")
	}
	q.asOf = m
	return nil
}

// inPast says whether a past can be asked about the tasks.
func (q *question) inPast(past Past, tasks []int32) *Problem {
	switch {
	case q.asOf == nil:
		return nil
	case past == nil:
		return noStorage()
	case q.asOf.Time.IsZero() && len(tasks) > 1:
		return refuse(http.StatusBadRequest, "as-of=%s does not say of which of %d tasks; give "+
			"task=%s-0, or a time", q.asOf.Text, len(tasks), q.shape.Pipeline)
	}
	return nil
}

func noStorage() *Problem {
	return refuse(http.StatusConflict, "the application keeps no checkpoints; set checkpoint.url")
}

// checkpoints lists those there are.
func (s *server) checkpoints(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.options.State() == nil:
		starting().write(w, r)
	case len(r.URL.RawQuery) > 0:
		refuse(http.StatusBadRequest, "%s takes no parameters", r.URL.Path).write(w, r)
	case s.options.Past == nil:
		answer(w, r, "", fields{"checkpoints": []struct{}{}, "listed": time.Now().UTC(),
			"complete": true, "storage": false})
	default:
		rows, at, err := s.options.Past.List(r.Context())
		if err != nil {
			unread(err).write(w, r)
			return
		}
		answer(w, r, "", fields{"checkpoints": rows, "listed": at.UTC(), "complete": true,
			"storage": true})
	}
}

// starting is the answer while there is no instance yet.
func starting() *Problem {
	p := refuse(http.StatusServiceUnavailable, "the instance is starting; ask again later")
	p.RetryIn = 1
	return p
}

// unread is what an error of a Past is answered with.
func unread(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	p = refuse(http.StatusServiceUnavailable, "the checkpoint cannot be read now: %v", err)
	p.RetryIn = 5
	return p
}

// past answers from checkpoints, which every instance can read.
func (e *endpoint[P]) past(s *server, w http.ResponseWriter, r *http.Request, q *question,
	tasks []int32) {
	ctx, cancel := context.WithTimeout(r.Context(), q.wait)
	defer cancel()
	e.prepare(ctx, s.options.Past, q, tasks)
	var all []contribution
	var missing []string
	var none *Problem
	for _, task := range tasks {
		c, err := e.copied(ctx, s.options.Past, q, task)
		if err == nil {
			all = append(all, c)
			continue
		}
		p := unread(err)
		if p.Status != http.StatusNotFound {
			p.write(w, r)
			return
		}
		missing, none = append(missing, taskName(q.shape.Pipeline, task)), p
	}
	if none != nil && (!e.partial || len(all) == 0) {
		none.write(w, r)
		return
	}
	e.answer(w, r, q, all, missing)
}

// prepare has the checkpoints of several tasks downloaded side by side.
func (e *endpoint[P]) prepare(ctx context.Context, past Past, q *question, tasks []int32) {
	if len(tasks) < 2 {
		return
	}
	var asked sync.WaitGroup
	for _, task := range tasks {
		asked.Go(func() {
			// What comes of it is asked for again by who reads.
			_ = past.View(ctx, task, *q.asOf, nil, func(View, Copy) error { return nil })
		})
	}
	asked.Wait()
}

// copied reads one task's checkpoint; an error says that there is none to read.
func (e *endpoint[P]) copied(ctx context.Context, past Past, q *question, task int32) (
	contribution, error) {
	var c contribution
	err := past.View(ctx, task, *q.asOf, e.ranges(q), func(v View, of Copy) error {
		c.Standing = standingOf(taskName(q.shape.Pipeline, task), q.shape.Instance, task,
			v.Standing())
		created := of.Created.UTC()
		c.Standing.Checkpoint, c.Standing.Created = of.ID, &created
		part, err := e.read(q, v)
		if err == nil {
			c.Part, err = json.Marshal(part)
		}
		if err != nil {
			c.Fault = err.Error()
		}
		return nil
	})
	return c, err
}

// withAsOf are an endpoint's own parameters with the one that all of them take.
func withAsOf(own []string) []string { return append(slices.Clone(own), asOf) }
