package main

import (
	"context"
	"time"
)

// watch redraws the view until ctx ends.
func (st *stage) watch(ctx context.Context) {
	ticker := time.NewTicker(redrawEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			st.view.show(st.snapshot(now))
		}
	}
}

// snapshot gathers what the view shows.
func (st *stage) snapshot(now time.Time) snapshot {
	s := snapshot{sample: sample{at: now}}
	for _, t := range st.acts {
		s.sent += t.sent.Load()
		crashes, recoveries := t.crasher.result()
		s.crashes += crashes
		s.recoveries = append(s.recoveries, recoveries...)
		if t.alerts != nil {
			s.alerts = append(s.alerts, t.alerts.newest()...)
		}
		for _, m := range t.fleet.members {
			last, totals := m.known()
			s.totals = s.totals.Plus(totals)
			line := memberLine{name: m.name, state: "starting", pid: m.process().PID()}
			if last != nil {
				line.state = last.State
				for _, task := range last.Tasks {
					line.tasks = append(line.tasks, task.Task+":"+task.State)
					for _, in := range task.Inputs {
						s.lag += max(in.End-max(in.Offset, 0), 0)
					}
				}
			}
			s.members = append(s.members, line)
		}
	}
	if st.mishaps != nil {
		s.crashes, s.recoveries = st.mishaps()
	}
	return s
}
