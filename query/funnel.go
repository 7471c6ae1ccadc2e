package query

import (
	"cmp"

	"pawl/processor"
	"pawl/statestore"
)

// under is what a task has under way.
type under struct {
	Users    int64 `json:"users"`
	Sessions int64 `json:"sessions"`
	Events   int64 `json:"events"`
}

// funnel answers with the sessions that are open, over all tasks.
func funnel() *endpoint[under] {
	return &endpoint[under]{
		partial: true,
		tasks:   everyone,
		ranges: func(*question) []processor.StateRange {
			return []processor.StateRange{{Table: "session-sessions"}, {Table: "session"}}
		},
		read: func(_ *question, v View) (under, error) {
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
			_, err2 := v.Scan(1, func(statestore.Key, []byte) bool { u.Events++; return true })
			return u, cmp.Or(err, failed, err2)
		},
		merge: func(_ *question, parts []under) (fields, *Problem) {
			var sum under
			for _, u := range parts {
				sum.Users += u.Users
				sum.Sessions += u.Sessions
				sum.Events += u.Events
			}
			return fields{"users": sum.Users, "open_sessions": sum.Sessions,
				"events": sum.Events}, nil
		},
	}
}
