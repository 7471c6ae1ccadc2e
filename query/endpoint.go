package query

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"pawl/processor"
)

// endpoint is how a question is answered: by which tasks, with what each of them reads, and what
// becomes of that together. P is what one task contributes; it travels between instances as JSON.
type endpoint[P any] struct {
	parameters []string // beside the common ones
	// tasks says who is asked, and judges the endpoint's own parameters.
	tasks func(q *question) ([]int32, *Problem)
	// ranges is what a task's view must show.
	ranges func(q *question) []processor.StateRange
	// brief, when set, are ranges that suffice for most answers and are looked at first; glance
	// reads a view of them, or says errMore.
	brief  func(q *question) []processor.StateRange
	glance func(q *question, v View) (P, error)
	// read is called with a view of them.
	read func(q *question, v View) (P, error)
	// merge makes the answer of what the tasks contributed, in the order of tasks.
	merge func(q *question, parts []P) (fields, *Problem)
	// partial says that an answer without some of the tasks is one.
	partial bool
	// live says that the answer is of now too: it may change while no epoch commits.
	live bool
}

// everyone asks all tasks, or the one that is named.
func everyone(q *question) ([]int32, *Problem) {
	if q.task >= 0 {
		return []int32{q.task}, nil
	}
	all := make([]int32, q.shape.Tasks)
	for i := range all {
		all[i] = int32(i)
	}
	if q.minAny >= 0 && len(all) > 1 {
		return nil, refuse(http.StatusBadRequest, "min-epoch=%d does not say of which of %d "+
			"tasks; give min-epoch=%s-0:%d,…", q.minAny, len(all), q.shape.Pipeline, q.minAny)
	}
	return all, nil
}

// keyed asks the task that gets the records with a key.
func keyed(q *question, key string) []int32 {
	if q.task >= 0 {
		return []int32{q.task}
	}
	return []int32{processor.PartitionOf([]byte(key), q.shape.Tasks)}
}

// contribution is what a task contributed, or why it did not.
type contribution struct {
	Standing standing        `json:"standing"`
	Part     json.RawMessage `json:"part,omitempty"`
	Behind   bool            `json:"behind,omitempty"` // its epoch is below the one asked for
	Fault    string          `json:"fault,omitempty"`  // its state cannot be read

	local any // instead of Part while it has not left this instance
}

// errMore is what glance says to a view that lacks what it needs.
var errMore = errors.New("a wider view is needed")

// wire is c as it travels: with its part as JSON.
func (c contribution) wire() contribution {
	if c.local == nil {
		return c
	}
	var err error
	if c.Part, err = json.Marshal(c.local); err != nil {
		c.Fault = err.Error()
	}
	c.local = nil
	return c
}

// handle answers a request.
func (e *endpoint[P]) handle(s *server) http.HandlerFunc {
	own := e.parameters
	if !e.live { // what is of now has no past
		own = withAsOf(own)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		state := s.options.State()
		if state == nil {
			starting().write(w, r)
			return
		}
		q, p := ask(r, state.Shape(), own)
		var tasks []int32
		if p == nil {
			q.stands, q.bodies = s.stands, &s.bodies
			tasks, p = e.tasks(q)
		}
		if p == nil {
			p = q.inPast(s.options.Past, tasks)
		}
		if p != nil {
			p.write(w, r)
			return
		}
		if q.asOf != nil {
			e.past(s, w, r, q, tasks)
			return
		}
		read := func(ctx context.Context, task int32) (contribution, error) {
			return e.local(ctx, state, q, task)
		}
		if hopped(r) {
			e.hop(w, r, q, tasks, read)
			return
		}
		all, missing := s.gather(q, tasks, read)
		e.answer(w, r, q, all, missing)
	}
}

// hop answers another instance: with what is here of the tasks it asks for, and nothing else.
func (e *endpoint[P]) hop(w http.ResponseWriter, r *http.Request, q *question, tasks []int32,
	read reader) {
	wanted, p := hopTasks(r, q)
	if p != nil {
		p.write(w, r)
		return
	}
	here := []contribution{}
	for _, task := range tasks {
		if !wanted[task] {
			continue
		}
		if c, err := read(r.Context(), task); err == nil {
			here = append(here, c.wire())
		}
	}
	answer(w, r, "", here)
}

// local reads one task of this instance; an error says that it is not here.
func (e *endpoint[P]) local(ctx context.Context, state State, q *question, task int32) (
	contribution, error) {
	var c contribution
	if want := q.epochOf(task); want > 0 {
		behind, err := await(ctx, state, q, task, want)
		if err != nil {
			return c, err
		}
		c.Behind = behind
	}
	if e.brief != nil {
		err := e.look(state, q, task, e.brief(q), e.glance, &c)
		if !errors.Is(err, errMore) {
			return c, err
		}
	}
	err := e.look(state, q, task, e.ranges(q), e.read, &c)
	return c, err
}

// look reads some ranges of a task into its contribution.
func (e *endpoint[P]) look(state State, q *question, task int32, ranges []processor.StateRange,
	read func(*question, View) (P, error), c *contribution) error {
	return state.View(task, ranges, func(v View) error {
		pos := v.Standing()
		c.Standing = q.stands.of(q, task, pos)
		if c.Behind {
			return nil
		}
		part, err := read(q, v)
		if c.local = part; err != nil && !elsewhere(err) && !errors.Is(err, errMore) {
			c.Fault, err = err.Error(), nil
		}
		return err
	})
}

// answer merges and writes.
func (e *endpoint[P]) answer(w http.ResponseWriter, r *http.Request, q *question,
	all []contribution, missing []string) {
	stands, parts := make([]standing, 0, len(all)), make([]P, 0, len(all))
	for _, c := range all {
		if p := c.refused(q); p != nil {
			p.write(w, r)
			return
		}
		part, here := c.local.(P)
		if here {
			stands, parts = append(stands, c.Standing), append(parts, part)
			continue
		}
		if err := json.Unmarshal(c.Part, &part); err != nil {
			refuse(http.StatusBadGateway, "instance %s answers for %s what cannot be read: %v; "+
				"do all instances run the same version?", c.Standing.Instance, c.Standing.Task,
				err).write(w, r)
			return
		}
		stands, parts = append(stands, c.Standing), append(parts, part)
	}
	if len(parts) == 0 || len(missing) > 0 && !e.partial {
		p := refuse(http.StatusServiceUnavailable, "%s: no instance answers for it now; it is "+
			"moving, or its owner is down", missing[0])
		p.Missing, p.RetryIn = missing, 1
		p.write(w, r)
		return
	}
	body, p := e.merge(q, parts)
	if p != nil {
		p.also = fields{}
		p.also.stand(stands, missing)
		p.write(w, r)
		return
	}
	body.stand(stands, missing)
	if q.asOf != nil {
		body["as_of"] = q.asOf.Text
	}
	tag := etag(stands, missing)
	if e.live {
		tag = ""
	}
	answerWith(w, r, q.bodies, tag, body)
}

// refused is the problem that a contribution is instead of one.
func (c *contribution) refused(q *question) *Problem {
	switch s := c.Standing; {
	case c.Behind:
		p := refuse(http.StatusPreconditionFailed, "%s stands at epoch %d and has not reached %d "+
			"within %v", s.Task, s.Epoch, q.epochOf(s.Partition), q.wait)
		p.RetryIn = 1
		return p
	case c.Fault != "":
		return refuse(http.StatusInternalServerError, "%s: %s", s.Task, c.Fault)
	}
	return nil
}
