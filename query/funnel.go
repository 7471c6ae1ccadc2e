package query

import (
	"cmp"
	"net/http"
	"strconv"

	"pawl/processor"
	"pawl/statestore"
)

// under is what a task has under way.
type under struct {
	Users    int64 `json:"users"`
	Sessions int64 `json:"sessions"`
	Events   int64 `json:"events"`
	// Reached counts the users that did so many of the steps, one after the other.
	Reached [len(funnelSteps)]int64 `json:"reached"`
}

// funnelSteps are the actions of the way to a purchase, in order.
var funnelSteps = [...]string{"view", "add_cart", "purchase"}

// shownStep is a step of the funnel with how many users came to it.
type shownStep struct {
	Step  string `json:"step"`
	Users int64  `json:"users"`
}

// readSteps says whether steps are asked for: they take a look into every event.
func (q *question) readSteps() (bool, *Problem) {
	if !q.values.Has("steps") {
		return false, nil
	}
	wanted, err := strconv.ParseBool(q.values.Get("steps"))
	if err != nil {
		return false, refuse(http.StatusBadRequest, "steps=%.40s is neither true nor false",
			q.values.Get("steps"))
	}
	return wanted, nil
}

// funnel answers with the sessions that are open, over all tasks.
func funnel() *endpoint[under] {
	return &endpoint[under]{
		parameters: []string{"steps"},
		partial:    true,
		tasks: func(q *question) ([]int32, *Problem) {
			if _, p := q.readSteps(); p != nil {
				return nil, p
			}
			return everyone(q)
		},
		ranges: func(*question) []processor.StateRange {
			return []processor.StateRange{{Table: "session-sessions"}, {Table: "session"}}
		},
		read: func(q *question, v View) (under, error) {
			var u under
			var failed error
			_, err := v.Scan(0, func(_ statestore.Key, raw []byte) bool {
				sessions, err := v.JSON(raw)
				if failed = err; err != nil {
					return false
				}
				open, _ := field(sessions, "open").([]any)
				u.Users++
				u.Sessions += int64(len(open))
				return true
			})
			steps, _ := q.readSteps() // judged before
			err2 := u.readEvents(v, steps)
			return u, cmp.Or(err, failed, err2)
		},
		merge: func(q *question, parts []under) (fields, *Problem) {
			var sum under
			for _, u := range parts {
				sum.Users += u.Users
				sum.Sessions += u.Sessions
				sum.Events += u.Events
				for i := range sum.Reached {
					sum.Reached[i] += u.Reached[i]
				}
			}
			f := fields{"users": sum.Users, "open_sessions": sum.Sessions, "events": sum.Events}
			if steps, _ := q.readSteps(); steps {
				list := []shownStep{}
				for i, name := range funnelSteps {
					list = append(list, shownStep{name, sum.Reached[i]})
				}
				f["steps"] = list
			}
			return f, nil
		},
	}
}

// readEvents counts the events of open sessions, which stand in order of users and times; with
// steps also how far each user came.
func (u *under) readEvents(v View, steps bool) error {
	var failed error
	var user string
	done := 0 // steps of the user
	_, err := v.Scan(1, func(key statestore.Key, raw []byte) bool {
		u.Events++
		if !steps {
			return true
		}
		parts, err := statestore.DecodeKey(key)
		var event any
		if err == nil {
			event, err = v.JSON(raw)
		}
		if failed = err; err != nil {
			return false
		}
		if name, _ := parts[0].(string); name != user {
			user, done = name, 0
		}
		action, _ := field(event, "action").(string)
		if done < len(funnelSteps) && action == funnelSteps[done] {
			u.Reached[done]++
			done++
		}
		return true
	})
	return cmp.Or(err, failed)
}
