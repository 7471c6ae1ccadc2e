package deadletter

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"pawl/internal/verify"
)

// Selection says which dead letters are meant: those of the IDs, or all that a filter wants.
type Selection struct {
	IDs    []ID
	Filter *Filter
}

// Outcome is what became of one dead letter.
type Outcome struct {
	ID      ID     `json:"id"`
	Result  string `json:"result"`
	To      string `json:"to,omitempty"` // TOPIC:PARTITION:OFFSET of the record, when it is known
	Attempt int    `json:"attempt,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// Results of an outcome.
const (
	ResultRetried   = "retried"
	ResultDiscarded = "discarded"
	ResultAlready   = "already" // done before, in the same way
	ResultWould     = "would"   // a dry run would have done it
	ResultRefused   = "refused" // detail says why
	ResultMissing   = "missing" // there is no such dead letter
)

// Result is what was done.
type Result struct {
	Outcomes []Outcome      `json:"dead_letters"`
	Counts   map[string]int `json:"counts"` // by result
	DryRun   bool           `json:"dry_run"`
}

// Clean says that everything asked for is done, or was before.
func (r *Result) Clean() bool { return r.Counts[ResultRefused]+r.Counts[ResultMissing] == 0 }

func (r *Result) add(o Outcome) {
	r.Outcomes = append(r.Outcomes, o)
	r.Counts[o.Result]++
}

// Retry puts records back where they died. One that was tried maxAttempts times is refused; 0 means
// DefaultMaxAttempts. A dry run only says what it would do.
func (d *Desk) Retry(ctx context.Context, s Selection, maxAttempts int, dry bool) (*Result,
	error) {
	if maxAttempts == 0 {
		maxAttempts = DefaultMaxAttempts
	}
	return d.act(ctx, &job{what: Retried, selection: s, limit: maxAttempts, dry: dry})
}

// Discard marks dead letters as done with, and says why.
func (d *Desk) Discard(ctx context.Context, s Selection, reason string, dry bool) (*Result,
	error) {
	if strings.TrimSpace(reason) == "" {
		return nil, errors.New("discard dead letters: give a reason")
	}
	return d.act(ctx, &job{what: Discarded, selection: s, reason: reason, dry: dry})
}

// job is one thing that is asked for.
type job struct {
	what      State
	selection Selection
	limit     int
	reason    string
	dry       bool
	run       string            // so that it knows its own markers
	refused   map[ID]string     // what a broker did not take
	alone     bool              // a transaction each, to find out whose fault it is
	ended     map[string]string // by key of a letter: where its record is
}

// turns is how often a job begins anew when another one fenced it, or it cannot tell what became of
// its transaction.
const turns = 5

// act does a job once, whatever gets in its way: each turn ends what the one before left open, and
// begins with what is marked then.
func (d *Desk) act(ctx context.Context, j *job) (*Result, error) {
	done, err := turn(ctx, d.acting)
	if err != nil {
		return nil, err
	}
	defer done()
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails
	j.run, j.refused, j.ended = hex.EncodeToString(raw[:]), make(map[ID]string),
		make(map[string]string)
	for n := 1; ; n++ {
		known, alone := len(j.refused), j.alone
		result, err := d.attempt(ctx, j)
		var unsettled *unsettledError
		switch {
		case err == nil:
			return result, nil
		case !errors.As(err, &unsettled) || ctx.Err() != nil || n >= turns:
			return nil, err
		case len(j.refused) > known || j.alone != alone:
			n-- // nobody was in the way
		}
		if err := pause(ctx, time.Duration(n)*100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// attempt is one turn of a job.
func (d *Desk) attempt(ctx context.Context, j *job) (*Result, error) {
	bounds, err := d.bounds(ctx)
	if err != nil {
		return nil, err
	}
	b := &batch{d: d, j: j, result: &Result{Outcomes: []Outcome{}, Counts: make(map[string]int),
		DryRun: j.dry}}
	if j.dry {
		err = d.look(ctx)
	} else {
		if err = d.ensureHandled(ctx); err == nil {
			b.w, err = d.newWriter(ctx)
		}
		if err == nil {
			defer b.w.close()
			d.o.Passed("deadletter-fenced")
			err = d.settled(ctx)
		}
	}
	if err == nil {
		err = d.choose(ctx, bounds, j.selection, b)
	}
	if err == nil {
		err = b.flush(ctx)
	}
	return b.result, err
}

// choose has a batch take what is meant.
func (d *Desk) choose(ctx context.Context, bounds []verify.Bounds, s Selection, b *batch) error {
	if s.Filter != nil {
		return d.each(ctx, bounds, func(l *Letter) error {
			if !s.Filter.wants(l) && !b.own(l) {
				return nil
			}
			return b.take(ctx, l)
		})
	}
	for _, id := range s.IDs {
		l, err := d.find(ctx, bounds, id)
		if errors.Is(err, errNone) {
			b.result.add(Outcome{ID: id, Result: ResultMissing, Detail: err.Error()})
			continue
		}
		if err == nil {
			err = b.take(ctx, l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// batch are letters that share a transaction.
type batch struct {
	d       *Desk
	j       *job
	w       *writer // nil for a dry run
	result  *Result
	letters []*Letter
	bytes   int
	names   map[string]bool // keys of the letters
}

// maxBatchBytes ends a batch early.
const maxBatchBytes = 4 << 20

// own says that this job did it, in a turn before.
func (b *batch) own(l *Letter) bool { return l.Handled != nil && l.Handled.Run == b.j.run }

// take judges a letter, and does what is asked for when enough have come together.
func (b *batch) take(ctx context.Context, l *Letter) error {
	if b.names[l.key()] { // its record is in the open batch, by another dead letter of it
		if err := b.flush(ctx); err != nil {
			return err
		}
		b.d.judged(l)
	}
	if o := b.judge(ctx, l); o != nil {
		b.result.add(*o)
		return nil
	}
	if b.j.dry {
		o := Outcome{ID: l.ID, Result: ResultWould}
		if b.j.what == Retried {
			o.Attempt = l.Attempts + 1
		}
		b.result.add(o)
		return nil
	}
	if b.names == nil {
		b.names = make(map[string]bool)
	}
	b.names[l.key()] = true
	b.letters = append(b.letters, l)
	b.bytes += len(l.record.Key) + len(l.record.Value)
	if len(b.letters) >= b.d.o.Batch || b.bytes >= maxBatchBytes || b.j.alone {
		return b.flush(ctx)
	}
	return nil
}

// judge gives the outcome of a letter that nothing is to be done with; nil for others.
func (b *batch) judge(ctx context.Context, l *Letter) *Outcome {
	o := &Outcome{ID: l.ID, Result: ResultRefused}
	switch {
	case b.own(l):
		o.Result, o.Attempt, o.To = string(b.j.what), l.Handled.Attempt, b.j.ended[l.key()]
	case l.State == b.j.what:
		o.Result, o.Attempt = ResultAlready, l.Handled.Attempt
		o.Detail = l.Handled.told()
	case l.State != Dead:
		o.Detail = l.Handled.told()
	case b.j.what == Discarded:
		return nil
	default:
		err := l.whole(b.d)
		if err == nil && l.Attempts >= b.j.limit {
			err = fmt.Errorf("it was tried %d times already, and the cap is %d (--max-attempts): "+
				"mend the cause and raise the cap, or discard it", l.Attempts, b.j.limit)
		}
		if why, ok := b.j.refused[l.ID]; err == nil && ok {
			err = errors.New(why)
		}
		if err == nil {
			return nil
		}
		o.Detail = err.Error()
	}
	return o
}

// told says what was done, when, and why.
func (m *Marker) told() string {
	at := m.At.UTC().Format(time.RFC3339)
	if m.State == Discarded {
		return fmt.Sprintf("it was discarded at %s: %s", at, m.Reason)
	}
	return fmt.Sprintf("it was retried at %s to %s-%d, as dead letter %s", at, m.To.Topic,
		m.To.Partition, m.Letter)
}

// whole says why a letter's record cannot be put back.
func (l *Letter) whole(d *Desk) error {
	switch {
	case l.fault != nil:
		return l.fault
	case len(l.Omitted) > 0:
		return fmt.Errorf("it is not whole, %s left out, because the record was too large for a "+
			"dead letter; it may still stand at offset %d of %s-%d",
			strings.Join(l.Omitted, ", "), l.Offset, l.Topic, l.Partition)
	case d.internal(l.Topic):
		return fmt.Errorf("it says that it comes from %s, which is no input", l.Topic)
	}
	return nil
}

// internal says that a topic is one that only the engine or a broker writes to. Headers are not
// proof against whoever may write to the dead-letter topic.
func (d *Desk) internal(topic string) bool {
	own, ok := strings.CutPrefix(topic, d.o.ApplicationID+"-")
	return strings.HasPrefix(topic, "__") || ok && (own == "dlq" || own == "shed" ||
		own == "ticks" || own == "dead-letters-handled" || strings.HasSuffix(own, "-late") ||
		strings.HasSuffix(own, "-changelog"))
}
