package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"pawl/internal/metrics"
	"pawl/processor"
)

// taskReady is one task in the answer of /ready.
type taskReady struct {
	Task   string `json:"task"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Mend   string `json:"mend,omitempty"`
}

// readiness is the answer of /ready when it is 200.
type readiness struct {
	Ready bool        `json:"ready"`
	State string      `json:"instance_state"`
	Tasks []taskReady `json:"tasks"`
}

// answerReady says 200 when every assigned task runs, also when none is assigned, else 503 and why.
func answerReady(w http.ResponseWriter, s processor.Status) {
	tasks := []taskReady{}
	var why []string
	if s.State != "RUNNING" && s.State != "REBALANCING" {
		line := fmt.Sprintf("instance is %s: %s", s.State, s.Reason)
		why = append(why, strings.TrimSuffix(line, ": "))
	}
	for _, t := range s.Tasks {
		if t.State == processor.TaskClosed {
			continue // no longer ours
		}
		tasks = append(tasks, taskReady{Task: t.Name, State: string(t.State), Reason: t.Reason,
			Mend: t.Mend})
		if t.State != processor.TaskRunning {
			line := fmt.Sprintf("task %s is %s", t.Name, t.State)
			if t.Reason != "" {
				line += ": " + t.Reason
			}
			if t.Mend != "" {
				line += "; " + t.Mend
			}
			why = append(why, line)
		}
	}
	if len(why) > 0 {
		writeProblem(w, problem{Status: http.StatusServiceUnavailable, State: s.State, Tasks: tasks,
			Detail: strings.Join(why, "\n")})
		return
	}
	writeJSON(w, "application/json", http.StatusOK, readiness{Ready: true, State: s.State,
		Tasks: tasks})
}

// statusReport is the answer of /status: the snapshot that the demo and the bench read.
type statusReport struct {
	Pipeline        string          `json:"pipeline"`
	PID             int             `json:"pid"`
	State           string          `json:"state"`
	Reason          string          `json:"reason,omitempty"`
	Promise         string          `json:"promise,omitempty"`
	Paused          bool            `json:"paused"`
	Draining        bool            `json:"draining"`
	OpenTransaction float64         `json:"open_transaction_seconds"`
	Tasks           []taskReport    `json:"tasks"`
	Standbys        []standbyReport `json:"standbys"`
	Totals          metrics.Totals  `json:"totals"`
}

type taskReport struct {
	taskReady
	Epoch         int64              `json:"epoch"`
	Watermark     *time.Time         `json:"watermark"`
	OverlayBytes  int64              `json:"overlay_bytes"`
	CacheBytes    int64              `json:"cache_bytes"`
	BufferedBytes int64              `json:"buffered_bytes"`
	RestoreDone   float64            `json:"restore_done"`
	Rung          string             `json:"restored_from,omitempty"`
	Checkpoint    string             `json:"checkpoint,omitempty"`
	HotKeys       []processor.HotKey `json:"hot_keys"`
	Inputs        []inputReport      `json:"inputs"`
}

// standbyReport is the copy of a task that runs elsewhere.
type standbyReport struct {
	Task     string `json:"task"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Warmup   bool   `json:"warmup"`
	Offset   int64  `json:"offset"`
	Lag      int64  `json:"lag"` // -1 while it is not known
	Verified int64  `json:"verified_epoch"`
}

type inputReport struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	End       int64  `json:"end"`
	LSO       int64  `json:"last_stable_offset"`
	// Watermark is of the input's own records since the start; null before the first one.
	Watermark *time.Time `json:"watermark"`
}

func reportStatus(pipeline string, s processor.Status, totals metrics.Totals) statusReport {
	report := statusReport{Pipeline: pipeline, PID: os.Getpid(), State: s.State, Reason: s.Reason,
		Promise: s.Promise, OpenTransaction: s.OpenTransaction.Seconds(), Tasks: []taskReport{},
		Standbys: []standbyReport{}, Totals: totals, Paused: s.Paused, Draining: s.Draining}
	for _, sb := range s.Standbys {
		report.Standbys = append(report.Standbys, standbyReport{Task: sb.Name,
			State: string(sb.State), Reason: sb.Reason, Warmup: sb.Warmup, Offset: sb.Offset,
			Lag: sb.Lag, Verified: sb.Verified})
	}
	for _, t := range s.Tasks {
		task := taskReport{
			taskReady: taskReady{Task: t.Name, State: string(t.State), Reason: t.Reason,
				Mend: t.Mend},
			Epoch: t.Epoch, OverlayBytes: t.OverlayBytes, CacheBytes: t.CacheBytes,
			BufferedBytes: t.BufferedBytes, RestoreDone: t.RestoreDone, Inputs: []inputReport{},
			Rung: string(t.Rung), Checkpoint: t.Checkpoint.ID,
			HotKeys: append([]processor.HotKey{}, t.HotKeys...),
		}
		// Before a task's first record its watermark lies before all time, which JSON cannot say.
		if year := t.Watermark.Year(); year > 1 && year <= 9999 {
			at := t.Watermark.UTC()
			task.Watermark = &at
		}
		for _, in := range t.Inputs {
			one := inputReport{Topic: in.Topic, Partition: in.Partition, Offset: in.Offset,
				End: in.End, LSO: in.LSO}
			if !in.Watermark.IsZero() {
				at := in.Watermark.UTC()
				one.Watermark = &at
			}
			task.Inputs = append(task.Inputs, one)
		}
		report.Tasks = append(report.Tasks, task)
	}
	return report
}
