package query

import (
	"context"
	"encoding/json"
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
}

// handle answers a request.
func (e *endpoint[P]) handle(s *server) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		state := s.options.State()
		if state == nil {
			p := refuse(http.StatusServiceUnavailable, "the instance is starting; ask again later")
			p.RetryIn = 1
			p.write(w, r)
			return
		}
		q, p := ask(r, state.Shape(), e.parameters)
		var tasks []int32
		if p == nil {
			tasks, p = e.tasks(q)
		}
		if p != nil {
			p.write(w, r)
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
			here = append(here, c)
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
	err := state.View(task, e.ranges(q), func(v View) error {
		pos := v.Standing()
		c.Standing = standingOf(taskName(q.shape.Pipeline, task), q.shape.Instance, task, pos)
		if c.Behind {
			return nil
		}
		part, err := e.read(q, v)
		if err == nil {
			c.Part, err = json.Marshal(part)
		}
		if err != nil && !elsewhere(err) {
			c.Fault, err = err.Error(), nil
		}
		return err
	})
	return c, err
}

// answer merges and writes.
func (e *endpoint[P]) answer(w http.ResponseWriter, r *http.Request, q *question,
	all []contribution, missing []string) {
	var stands []standing
	var parts []P
	for _, c := range all {
		if p := c.refused(q); p != nil {
			p.write(w, r)
			return
		}
		var part P
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
	tag := etag(stands, missing)
	if e.live {
		tag = ""
	}
	answer(w, r, tag, body)
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
