package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"pawl/internal/settings"
	"pawl/processor"
)

// logger writes to w as log.format and log.level say.
func logger(w io.Writer, s *settings.Settings) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.Text("log.level"))); err != nil {
		level = slog.LevelInfo // unreachable: the setting was checked
	}
	options := &slog.HandlerOptions{Level: level}
	if s.Text("log.format") == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// startedText is how the log tells of a start and its steps.
const startedText = "started"

// logListener is the one place that logs.
func logListener(log *slog.Logger) processor.Listener {
	dead := &throttle{every: 10 * time.Second, now: time.Now}
	return processor.Listener{
		InstanceState: func(i processor.InstanceStateInfo) {
			level := slog.LevelInfo
			if i.State == "ERROR" {
				level = slog.LevelError
			}
			log.Log(context.Background(), level, "instance",
				withReason(i.Reason, "state", i.State)...)
		},
		TaskState: func(i processor.TaskStateInfo) {
			level := slog.LevelInfo
			if i.State == processor.TaskFailed || i.State == processor.TaskRefused {
				level = slog.LevelError
			}
			log.Log(context.Background(), level, "task",
				withReason(i.Reason, "task", i.Task, "state", i.State)...)
		},
		Restore:    restoreLogger(log),
		Standby:    func(i processor.StandbyStatus) { logStandby(log, i) },
		Checkpoint: func(i processor.CheckpointInfo) { logCheckpoint(log, i) },
		Startup: func(i processor.StartupInfo) {
			args := []any{"took", i.Took}
			for _, s := range i.Steps {
				args = append(args, s.Name, s.Took)
			}
			log.Info(startedText, args...)
		},
		EpochCommitted: func(e processor.EpochInfo) {
			log.Debug("epoch committed", "epoch", e.Epoch, "tasks", e.Tasks, "records", e.Records,
				"outputs", e.Outputs, "changes", e.Changes, "took", e.Duration)
		},
		EpochAborted: func(a processor.AbortInfo) {
			log.Warn("epoch aborted; its records are processed again", "reason", a.Reason,
				"unconfirmed", a.Unconfirmed, "error", a.Err)
		},
		DeadLettered: func(d processor.DeadLetterInfo) {
			level, suppressed := slog.LevelDebug, 0
			if say, missed := dead.allow(d.Exception); say {
				level, suppressed = slog.LevelWarn, missed
			}
			log.Log(context.Background(), level, "dead letter", "exception", d.Exception,
				"message", d.Message, "task", d.Task, "topic", d.Topic, "partition", d.Partition,
				"offset", d.Offset, "unlogged", suppressed)
		},
		Waiting: func(w processor.WaitInfo) {
			log.Warn("waiting", "for", w.What, "task", w.Task, "since", w.For)
		},
		Breaker: func(b processor.BreakerInfo) {
			level := slog.LevelInfo
			if b.State == "open" {
				level = slog.LevelWarn
			}
			log.Log(context.Background(), level, "circuit breaker", "enrichment", b.Enrichment,
				"task", b.Task, "state", b.State)
		},
		Notice: func(text string) { log.Info(text) },
	}
}

// restoreLogger says how a restore ended and, when it takes long, every now and then how far it is.
func restoreLogger(log *slog.Logger) func(processor.RestoreInfo) {
	going := &throttle{every: 10 * time.Second, now: time.Now}
	return func(i processor.RestoreInfo) {
		level, text := slog.LevelDebug, "restoring"
		if i.Done {
			level, text = slog.LevelInfo, "restored"
		} else if i.Elapsed > 5*time.Second {
			if say, _ := going.allow(i.Task); say {
				level = slog.LevelInfo
			}
		}
		args := []any{"task", i.Task, "rung", i.Rung, "records", i.Records, "bytes", i.Bytes,
			"offset", i.Offset, "target", i.Target, "local", i.FromLocalDisk, "took", i.Elapsed}
		if i.Checkpoint != "" {
			args = append(args, "checkpoint", i.Checkpoint, "downloaded", i.Downloaded,
				"download_size", i.DownloadSize)
		}
		if !i.Done {
			args = append(args, "per_second", int64(i.PerSecond), "left", i.Left)
		}
		if i.WaitingFor != "" {
			args = append(args, "waiting_for", i.WaitingFor)
		}
		log.Log(context.Background(), level, text, args...)
	}
}

func logStandby(log *slog.Logger, i processor.StandbyStatus) {
	level := slog.LevelInfo
	if i.State == processor.StandbyHalted {
		level = slog.LevelError
	}
	log.Log(context.Background(), level, "standby", withReason(i.Reason, "task", i.Name,
		"state", i.State, "warmup", i.Warmup, "offset", i.Offset, "lag", i.Lag)...)
}

func logCheckpoint(log *slog.Logger, i processor.CheckpointInfo) {
	args := []any{"task", i.Task, "result", i.Result, "id", i.ID, "epoch", i.Epoch,
		"bytes", i.Bytes, "uploaded", i.Uploaded, "took", i.Took}
	switch i.Result {
	case processor.CheckpointFailed:
		log.Warn("checkpoint failed; it is tried again", "task", i.Task, "error", i.Err,
			"uploaded", i.Uploaded, "took", i.Took)
	case processor.CheckpointWritten:
		log.Info("checkpoint", args...)
	default:
		log.Debug("checkpoint", args...)
	}
}

func withReason(reason string, args ...any) []any {
	if reason != "" {
		args = append(args, "reason", reason)
	}
	return args
}

// throttle lets the first event of a kind through, then one per interval with the number of those
// it held back: a topic full of poison must not become a disk full of log.
type throttle struct {
	every time.Duration
	now   func() time.Time

	mu   sync.Mutex
	last map[string]time.Time
	held map[string]int
}

func (t *throttle) allow(kind string) (ok bool, held int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last, t.held = map[string]time.Time{}, map[string]int{}
	}
	now := t.now()
	if last, seen := t.last[kind]; seen && now.Sub(last) < t.every {
		t.held[kind]++
		return false, 0
	}
	held = t.held[kind]
	t.last[kind], t.held[kind] = now, 0
	return true, held
}
