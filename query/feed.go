package query

import (
	"cmp"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"pawl/internal/recent"
	"pawl/processor"
)

// The types of event that a client can have.
const (
	eventStatus     = "status"
	eventTask       = "task"
	eventRebalance  = "rebalance"
	eventRestore    = "restore"
	eventCheckpoint = "checkpoint"
	eventEpoch      = "epoch"
	eventAlert      = "alert"
	eventDeadLetter = "deadletter"
	eventLost       = "lost"
)

// eventTypes are those that can be asked for; lost comes whatever was.
func eventTypes() []string {
	return []string{eventStatus, eventTask, eventRebalance, eventRestore, eventCheckpoint,
		eventEpoch, eventAlert, eventDeadLetter}
}

// FeedOptions is what NewFeed makes a feed of. Zero fields mean their defaults.
type FeedOptions struct {
	// Pipeline is the one whose tasks raise the alerts.
	Pipeline string
	// Status is what every client gets each second; nil for none.
	Status func() any
	// Clients bounds how many there are at a time. Default 64.
	Clients int
	// Buffer bounds how many events wait for a slow client. Default 1024.
	Buffer int
	// Second, Quarter and Heartbeat are how often a client gets status, an epoch and a sign of
	// life. Default 1s, 250ms and 15s.
	Second, Quarter, Heartbeat time.Duration
}

// Feed hands what happens in this instance to the clients of /v1/events. Nobody waits for a client:
// one that does not keep up loses the oldest events and is told how many.
type Feed struct {
	options FeedOptions
	ended   chan struct{}
	count   atomic.Int64 // of clients: while there is none, events cost nothing
	lost    atomic.Int64 // events that clients lost

	mu       sync.Mutex
	closed   bool
	clients  map[*client]struct{}
	restored map[string]time.Time // when a task's restore was told of last
	epoch    *happening           // the newest
}

// happening is an event as it is sent.
type happening struct {
	kind string
	data []byte
}

// client is one who listens.
type client struct {
	types map[string]bool
	wake  chan struct{}

	mu     sync.Mutex
	queue  []happening
	missed int64
}

// NewFeed returns a feed without clients. Close it.
func NewFeed(o FeedOptions) *Feed {
	o.Clients = cmp.Or(o.Clients, 64)
	o.Buffer = cmp.Or(o.Buffer, 1024)
	o.Second = cmp.Or(o.Second, time.Second)
	o.Quarter = cmp.Or(o.Quarter, 250*time.Millisecond)
	o.Heartbeat = cmp.Or(o.Heartbeat, 15*time.Second)
	return &Feed{options: o, ended: make(chan struct{}), clients: make(map[*client]struct{}),
		restored: make(map[string]time.Time)}
}

// Close ends the streams of all clients. They do not wait for what is queued.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.ended)
	}
}

// Clients is how many listen now.
func (f *Feed) Clients() int { return int(f.count.Load()) }

// Lost is how many events clients have lost so far.
func (f *Feed) Lost() int64 { return f.lost.Load() }

// join adds a client; nil when there are enough, or the feed has ended.
func (f *Feed) join(types map[string]bool) *client {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.clients) >= f.options.Clients {
		return nil
	}
	c := &client{types: types, wake: make(chan struct{}, 1)}
	f.clients[c] = struct{}{}
	f.count.Add(1)
	return c
}

func (f *Feed) leave(c *client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.clients, c)
	f.count.Add(-1)
	if len(f.clients) == 0 {
		clear(f.restored)
		f.epoch = nil // an old one is no news for the next client
	}
}

// tell hands an event to those who want its type.
func (f *Feed) tell(kind string, body any) {
	if f.count.Load() == 0 {
		return
	}
	data, err := json.Marshal(body)
	if err != nil {
		return // unreachable: the bodies are of types that JSON has
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.clients {
		if c.types[kind] {
			f.lost.Add(c.push(happening{kind, data}, f.options.Buffer))
		}
	}
}

// push queues an event and says how many were lost for it.
func (c *client) push(h happening, most int) (lost int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) >= most {
		c.queue[0] = happening{}
		c.queue = c.queue[1:]
		c.missed++
		lost = 1
	}
	c.queue = append(c.queue, h)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return lost
}

// pull takes the oldest queued event, and how many before it were lost.
func (c *client) pull() (h happening, lost int64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return h, 0, false
	}
	h, lost = c.queue[0], c.missed
	c.queue[0] = happening{}
	c.queue, c.missed = c.queue[1:], 0
	return h, lost, true
}

// newest is the newest epoch.
func (f *Feed) newest() *happening {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch
}

// Alert tells of an alert, of whatever task.
func (f *Feed) Alert(rec recent.Record) {
	if f.count.Load() > 0 {
		f.tell(eventAlert, alertRow(f.options.Pipeline, rec))
	}
}

// Listener hears what the engine tells.
func (f *Feed) Listener() processor.Listener {
	return processor.Listener{
		InstanceState: func(i processor.InstanceStateInfo) {
			f.tell(eventRebalance, fields{"instance": i.Instance, "state": i.State,
				"reason": i.Reason})
		},
		TaskState: func(i processor.TaskStateInfo) {
			f.tell(eventTask, fields{"task": i.Task, "state": i.State, "reason": i.Reason})
		},
		Restore: f.restore,
		Checkpoint: func(i processor.CheckpointInfo) {
			body := fields{"task": i.Task, "result": i.Result, "id": i.ID, "epoch": i.Epoch,
				"bytes": i.Bytes, "uploaded_bytes": i.Uploaded, "seconds": i.Took.Seconds()}
			if i.Err != nil {
				body["error"] = i.Err.Error()
			}
			f.tell(eventCheckpoint, body)
		},
		EpochCommitted: f.epochCommitted,
		DeadLettered: func(d processor.DeadLetterInfo) {
			f.tell(eventDeadLetter, fields{"task": d.Task, "topic": d.Topic,
				"partition": d.Partition, "offset": d.Offset, "epoch": d.Epoch,
				"exception": d.Exception, "message": d.Message})
		},
	}
}

// restore tells of a restore's progress every now and then, and of its end.
func (f *Feed) restore(i processor.RestoreInfo) {
	if f.count.Load() == 0 {
		return
	}
	now := time.Now()
	f.mu.Lock()
	early := now.Sub(f.restored[i.Task]) < f.options.Quarter
	if !early {
		f.restored[i.Task] = now
	}
	f.mu.Unlock()
	if early && !i.Done {
		return
	}
	f.tell(eventRestore, fields{"task": i.Task, "rung": i.Rung, "done": i.Done,
		"records": i.Records, "bytes": i.Bytes, "offset": i.Offset, "target": i.Target,
		"seconds": i.Elapsed.Seconds(), "left_seconds": i.Left.Seconds(),
		"per_second": i.PerSecond, "waiting_for": i.WaitingFor, "checkpoint": i.Checkpoint,
		"downloaded": i.Downloaded, "download_size": i.DownloadSize})
}

// epochCommitted keeps the newest epoch, for those who want one.
func (f *Feed) epochCommitted(e processor.EpochInfo) {
	if f.count.Load() == 0 {
		return
	}
	tasks := make([]fields, len(e.PerTask))
	for i := range e.PerTask {
		t := &e.PerTask[i]
		tasks[i] = fields{"task": t.Task, "epoch": t.Epoch, "records": t.Records, "late": t.Late,
			"dead": t.Dead, "watermark": timeOf(t.Watermark.UnixMilli())}
	}
	data, err := json.Marshal(fields{"commit": e.Epoch, "records": e.Records, "outputs": e.Outputs,
		"changes": e.Changes, "bytes": e.Bytes, "seconds": e.Duration.Seconds(), "tasks": tasks})
	if err != nil {
		return // unreachable: as in tell
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch = &happening{eventEpoch, data}
}
