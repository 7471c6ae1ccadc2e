package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"pawl/internal/settings"
	"pawl/processor"
)

// journal writes what the engine tells to the log. Every line says which application's instance it
// is about; what has a task and an epoch says these too, in the numbers of the position records.
type journal struct {
	log   *slog.Logger
	who   *identity
	dead  *throttle
	waits *throttle
}

// newJournal writes to w as log.format and log.level say.
func newJournal(w io.Writer, s *settings.Settings) *journal {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.Text("log.level"))); err != nil {
		level = slog.LevelInfo // unreachable: the setting was checked
	}
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if s.Text("log.format") == "json" {
		options.ReplaceAttr = inSeconds
		h = slog.NewJSONHandler(w, options)
	}
	who := &identity{application: s.Text("application.id")}
	who.instance.Store(s.Text("instance.id"))
	return &journal{log: slog.New(identified{h, who}), who: who,
		dead:  &throttle{every: 10 * time.Second, now: time.Now},
		waits: &throttle{every: 10 * time.Second, now: time.Now}}
}

// startedText is how the log tells of a start and its steps.
const startedText = "started"

// inSeconds writes durations as numbers of seconds: JSON is for programs.
func inSeconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
	}
	return a
}

// identity is whose log it is.
type identity struct {
	application string
	instance    atomic.Value // string; "" until it is known
}

// identified adds whose log it is to the end of each line.
type identified struct {
	slog.Handler
	who *identity
}

// Handle implements slog.Handler.
func (h identified) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone()
	r.AddAttrs(slog.String("application", h.who.application))
	if id := h.who.instance.Load().(string); id != "" {
		r.AddAttrs(slog.String("instance", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h identified) WithAttrs(attrs []slog.Attr) slog.Handler {
	return identified{h.Handler.WithAttrs(attrs), h.who}
}

// WithGroup implements slog.Handler.
func (h identified) WithGroup(name string) slog.Handler {
	return identified{h.Handler.WithGroup(name), h.who}
}

// listener is the one place that logs.
func (j *journal) listener() processor.Listener {
	log := j.log
	return processor.Listener{
		InstanceState: func(i processor.InstanceStateInfo) {
			if i.Instance != "" {
				j.who.instance.Store(i.Instance)
			}
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
		Restore:    j.restore(),
		Standby:    func(i processor.StandbyStatus) { logStandby(log, i) },
		Checkpoint: func(i processor.CheckpointInfo) { logCheckpoint(log, i) },
		Startup: func(i processor.StartupInfo) {
			args := []any{"took", i.Took}
			for _, s := range i.Steps {
				args = append(args, s.Name, s.Took)
			}
			log.Info(startedText, args...)
		},
		EpochCommitted: j.epochCommitted,
		EpochAborted: func(a processor.AbortInfo) {
			log.Warn("epoch aborted; its records are processed again", "reason", a.Reason,
				"unconfirmed", a.Unconfirmed, "error", a.Err, "commit", a.Epoch,
				"tasks", strings.Join(a.Tasks, ","))
		},
		DeadLettered: func(d processor.DeadLetterInfo) {
			j.dead.log(log, d.Exception, "dead letter", "exception", d.Exception,
				"message", d.Message, "topic", d.Topic, "partition", d.Partition,
				"offset", d.Offset, "task", d.Task, "epoch", d.Epoch)
		},
		Waiting: func(w processor.WaitInfo) {
			// An address with another port, or a later offset, is the same wait.
			kind := strings.Map(noDigits, w.Task+" "+w.What)
			j.waits.log(log, kind, "waiting", "for", w.What, "task", w.Task, "since", w.For)
		},
		Breaker: func(b processor.BreakerInfo) {
			level := slog.LevelInfo
			if b.State == "open" {
				level = slog.LevelWarn
			}
			log.Log(context.Background(), level, "circuit breaker", "enrichment", b.Enrichment,
				"task", b.Task, "state", b.State)
		},
		Notice:  func(text string) { log.Info(text) },
		Warning: func(text string) { log.Warn(text) },
	}
}

// traceFault says that spans are lost; nothing else is.
func (j *journal) traceFault(err error) {
	j.waits.log(j.log, "traces", "traces are not exported", "error", err)
}

func (j *journal) epochCommitted(e processor.EpochInfo) {
	if !j.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	j.log.Debug("epoch committed", "commit", e.Epoch, "tasks", e.Tasks, "records", e.Records,
		"outputs", e.Outputs, "changes", e.Changes, "took", e.Duration)
	for i := range e.PerTask {
		t := &e.PerTask[i]
		j.log.Debug("task committed", "commit", e.Epoch, "records", t.Records, "bytes", t.Bytes,
			"watermark", t.Watermark, "task", t.Task, "epoch", t.Epoch)
	}
}

// noDigits is for strings.Map.
func noDigits(r rune) rune {
	if unicode.IsDigit(r) {
		return -1
	}
	return r
}

// restore says how a restore ended and, when it takes long, every now and then how far it is.
func (j *journal) restore() func(processor.RestoreInfo) {
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
		j.log.Log(context.Background(), level, text, args...)
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
// it held back: a topic full of poison, or a broker that is down for a night, must not become a
// disk full of log.
type throttle struct {
	every time.Duration
	now   func() time.Time

	mu   sync.Mutex
	last map[string]time.Time
	held map[string]int
}

// maxKinds bounds what a throttle remembers; past it, it forgets and says again.
const maxKinds = 1000

// log warns of an event, or mentions it at level debug where it is held back.
func (t *throttle) log(to *slog.Logger, kind, text string, args ...any) {
	level := slog.LevelDebug
	ok, held := t.allow(kind)
	if ok {
		level = slog.LevelWarn
	}
	to.Log(context.Background(), level, text, append(args, "unlogged", held)...)
}

func (t *throttle) allow(kind string) (ok bool, held int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.last) == maxKinds {
		if _, known := t.last[kind]; !known {
			t.last = nil
		}
	}
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
