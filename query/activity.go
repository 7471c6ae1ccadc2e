package query

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"

	"pawl/processor"
	"pawl/statestore"
)

// active is what a task holds of a user: open windows, and the batch that fills.
type active struct {
	Minutes []openWindow    `json:"minutes"`
	Fives   []openWindow    `json:"fives"`
	Batch   json.RawMessage `json:"batch,omitempty"`
}

// openWindow is a window that is not closed yet, with its sum so far.
type openWindow struct {
	Start *time.Time      `json:"window_start"`
	End   *time.Time      `json:"window_end"`
	Sum   json.RawMessage `json:"sum"`
}

// activeUser answers with a user's open windows.
func activeUser() *endpoint[active] {
	key := func(q *question) statestore.Key {
		return statestore.Key(nil).String(q.r.PathValue("id"))
	}
	return &endpoint[active]{
		tasks: func(q *question) ([]int32, *Problem) { return keyed(q, q.r.PathValue("id")), nil },
		ranges: func(q *question) []processor.StateRange {
			return []processor.StateRange{
				{Table: "per-minute", From: key(q), To: key(q).End()},
				{Table: "five-minutes", From: key(q), To: key(q).End()},
				processor.StatePoint("batches", key(q))}
		},
		read: func(q *question, v View) (active, error) {
			minutes, err := openWindows(q, v, 0, time.Minute)
			fives, err2 := openWindows(q, v, 1, 5*time.Minute)
			a := active{Minutes: minutes, Fives: fives}
			raw, ok, err3 := v.Get("batches", key(q))
			if ok && err3 == nil {
				a.Batch, err3 = valueOf(q, v, raw)
			}
			return a, cmp.Or(err, err2, err3)
		},
		merge: func(q *question, parts []active) (fields, *Problem) {
			a, id := parts[0], q.r.PathValue("id")
			if len(a.Minutes)+len(a.Fives) == 0 && a.Batch == nil {
				return nil, refuse(http.StatusNotFound, "user %.100q has no open window", id)
			}
			return fields{"user_id": id, "per_minute": a.Minutes, "five_minutes": a.Fives,
				"batch": a.Batch}, nil
		},
	}
}

func openWindows(q *question, v View, i int, size time.Duration) ([]openWindow, error) {
	all := []openWindow{}
	var failed error
	_, err := v.Scan(i, func(key statestore.Key, raw []byte) bool {
		parts, err := statestore.DecodeKey(key)
		var sum json.RawMessage
		if err == nil {
			sum, err = valueOf(q, v, raw)
		}
		if failed = err; err != nil {
			return false
		}
		start := number(parts[1])
		all = append(all, openWindow{timeOf(start), timeOf(start + size.Milliseconds()), sum})
		return len(all) < q.limit
	})
	return all, cmp.Or(err, failed)
}
