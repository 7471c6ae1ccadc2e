package activity

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/activity"
)

// Oracle is the meaning of the pipeline for one task, as plainly as it can be said. It shares
// nothing with the pipeline but the schemas and the settings. It implements verify.Model.
type Oracle struct {
	cfg       Config
	resolver  *schemas.Resolver
	events    *schemas.Decoder[schema.UserEvent]
	minutes   calendar
	fives     calendar
	batches   map[string]*run
	seen      map[eventID]int64 // when the id is forgotten, ms
	forgotten []farewell        // by time
	watermark int64             // ms; the least int64 before the first event
}

// calendar is a kind of window of time.
type calendar struct {
	name  string
	topic string
	size  int64   // ms
	open  []*page // by start
}

// page is one window of all users.
type page struct {
	start int64 // ms
	users map[string]*schema.Sum
}

// run is a user's batches: how many events they have taken, and the one that is not full.
type run struct {
	taken  int64
	values []float64
	times  []int64 // ms
}

// eventID is an event's id; each user has ids of its own.
type eventID struct{ user, id string }

// farewell says when an id is forgotten.
type farewell struct {
	at int64 // ms
	id eventID
}

// NewOracle returns the oracle of one task; r finds the schemas of its records.
func NewOracle(cfg Config, r *schemas.Resolver) *Oracle {
	cfg.EnsureDefaults()
	return &Oracle{
		cfg:       cfg,
		resolver:  r,
		events:    schemas.NewDecoder(schema.UserEventType(), r),
		minutes:   calendar{name: PerMinute, topic: ProcessedEvents, size: 60_000},
		fives:     calendar{name: FiveMinutes, topic: UserAggregates, size: 300_000},
		batches:   make(map[string]*run),
		seen:      make(map[eventID]int64),
		watermark: math.MinInt64,
	}
}

func dead(exception string) verify.Outcome {
	return verify.Outcome{Fate: verify.Dead, Exception: exception}
}

// Feed implements verify.Model. Faults are judged in the order of the contract.
func (o *Oracle) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	if in.Topic != UserEvents {
		return verify.Outcome{}, fmt.Errorf("topic %s is no input of the pipeline", in.Topic)
	}
	if in.Value == nil {
		return dead("NullValue"), nil
	}
	var e schema.UserEvent
	exception, err := verify.Read(ctx, o.resolver, o.events, in.Value, &e)
	if err != nil || exception != "" {
		return dead(exception), err
	}
	at := e.Timestamp.UnixMilli()
	switch {
	case len(in.Key) == 0:
		return dead("MissingKey"), nil
	case string(in.Key) != e.UserID:
		return dead("KeyMismatch"), nil
	case e.EventID == "" || e.Action == "" || e.Value-e.Value != 0: // neither NaN nor infinite
		return dead("Rejected"), nil
	case at < 0:
		return dead("InvalidTimestamp"), nil
	case at > max(in.Timestamp, 0)+o.cfg.skew().Milliseconds(): // below 0 stands for none
		return dead("FutureTimestamp"), nil
	}
	return o.event(&e, at), nil
}

// event judges a sound event by what the watermark was before it, then moves the watermark.
func (o *Oracle) event(e *schema.UserEvent, at int64) verify.Outcome {
	var out verify.Outcome
	before := o.watermark
	o.watermark = max(before, at-o.cfg.disorder().Milliseconds())
	id := eventID{e.UserID, e.EventID}
	if _, known := o.seen[id]; known {
		out.Fate = verify.Deduplicated
	} else {
		o.remember(id, at+o.cfg.DedupeHorizon.Milliseconds())
		for _, c := range []*calendar{&o.minutes, &o.fives} {
			if !c.add(e, at, before, o.cfg.grace().Milliseconds()) {
				out.LateFor = append(out.LateFor, c.name)
			}
		}
		out.Outputs = o.batch(e, at)
	}
	out.Outputs = append(out.Outputs, o.close()...)
	return out
}

// remember notes an id until the given time.
func (o *Oracle) remember(id eventID, at int64) {
	o.seen[id] = at
	i, _ := slices.BinarySearchFunc(o.forgotten, at+1, func(f farewell, at int64) int {
		return cmp.Compare(f.at, at)
	})
	o.forgotten = slices.Insert(o.forgotten, i, farewell{at, id})
}

// add counts an event in its window and reports whether that is still open.
func (c *calendar) add(e *schema.UserEvent, at, watermark, grace int64) bool {
	start := at / c.size * c.size
	if watermark >= start+c.size+grace {
		return false
	}
	i, found := slices.BinarySearchFunc(c.open, start, func(p *page, start int64) int {
		return cmp.Compare(p.start, start)
	})
	if !found {
		c.open = slices.Insert(c.open, i, &page{start, make(map[string]*schema.Sum)})
	}
	s := c.open[i].users[e.UserID]
	if s == nil {
		s = new(schema.Sum)
		c.open[i].users[e.UserID] = s
	}
	s.EventCount++
	s.TotalValue += e.Value
	return true
}

// batch adds an event to the user's batch, and gives the batch when it is full.
func (o *Oracle) batch(e *schema.UserEvent, at int64) []verify.Output {
	r := o.batches[e.UserID]
	if r == nil {
		r = new(run)
		o.batches[e.UserID] = r
	}
	r.taken++
	r.values, r.times = append(r.values, e.Value), append(r.times, at)
	n := len(r.values)
	if n < o.cfg.BatchSize {
		return nil
	}
	full := schema.UserBatch{UserID: e.UserID, Batch: r.taken / int64(n),
		FirstTimestamp: time.UnixMilli(r.times[0]), LastTimestamp: time.UnixMilli(r.times[n-1]),
		EventCount: int64(n), TotalValue: total(r.values), AvgValue: total(r.values) / float64(n)}
	r.values, r.times = nil, nil
	return []verify.Output{{Topic: UserBatches, Key: e.UserID, Timestamp: at, Value: full}}
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

// close gives the windows that the watermark has closed, minutes first, and forgets ids.
func (o *Oracle) close() []verify.Output {
	grace := o.cfg.grace().Milliseconds()
	out := append(o.minutes.close(o.watermark, grace), o.fives.close(o.watermark, grace)...)
	n := 0
	for ; n < len(o.forgotten) && o.forgotten[n].at <= o.watermark; n++ {
		delete(o.seen, o.forgotten[n].id)
	}
	o.forgotten = o.forgotten[n:]
	return out
}

// close gives the closed windows by time, then by user.
func (c *calendar) close(watermark, grace int64) (out []verify.Output) {
	for len(c.open) > 0 && watermark >= c.open[0].start+c.size+grace {
		p := c.open[0]
		c.open = c.open[1:]
		var users []string
		for user := range p.users {
			users = append(users, user)
		}
		slices.Sort(users)
		for _, user := range users {
			s := p.users[user]
			out = append(out, verify.Output{Topic: c.topic, Key: user,
				Timestamp: p.start + c.size - 1, Value: schema.UserAggregate{UserID: user,
					WindowStart: time.UnixMilli(p.start),
					WindowEnd:   time.UnixMilli(p.start + c.size),
					EventCount:  s.EventCount, TotalValue: s.TotalValue,
					AvgValue: s.TotalValue / float64(s.EventCount)}})
		}
	}
	return out
}

// Idle implements verify.Model.
func (o *Oracle) Idle(watermark int64) []verify.Output {
	o.watermark = max(o.watermark, watermark)
	return o.close()
}

// Watermark implements verify.Model.
func (o *Oracle) Watermark() int64 { return o.watermark }

// State implements verify.Model.
func (o *Oracle) State() map[string]any {
	state := make(map[string]any)
	for _, c := range []*calendar{&o.minutes, &o.fives} {
		for _, p := range c.open {
			for user, s := range p.users {
				state[stateName(c.name, user, p.start)] = *s
			}
		}
	}
	for user, r := range o.batches {
		state[stateName(countTable, user)] = r.taken
		if n := len(r.values); n > 0 {
			state[stateName(Batches, user)] = schema.Batch{FirstTimestamp: r.times[0],
				LastTimestamp: r.times[n-1], EventCount: int64(n), TotalValue: total(r.values)}
		}
	}
	for id, at := range o.seen {
		state[stateName(Seen, id.user, id.id)] = at
	}
	return state
}
