package processor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas/record"
)

// breaker stops a task before a bad deploy drains its input into the dead-letter topic. It counts
// records, not time, and keeps what it counts in the position record: whether it trips is decided
// by the log, so that a crash or a takeover does not grant another share of dead letters.
type breaker struct {
	ratio float64 // more dead letters than this share trip it
	span  int64   // of so many latest records of an input
}

func newBreaker(cfg *Config) breaker {
	return breaker{ratio: max(cfg.DeadLetterRatio, 0), span: cfg.DeadLetterSpan}
}

// maxDeathSpan bounds what a position record holds of dead letters.
const maxDeathSpan = 10_000

// breakerProbe is how many records a task that starts where its breaker tripped must lose before it
// trips again: fewer may be the poison that any input has. Without it one such record, the first
// after a mended deploy, would stop the task at each start.
const breakerProbe = 5

// off says that dead letters are not counted.
func (b breaker) off() bool { return b.span <= 0 || b.ratio >= 1 }

// limit is how many of the latest records may be dead.
func (b breaker) limit() int64 { return int64(b.ratio*float64(b.span) + 1e-9) }

// DeadLetterRateError says that the breaker stopped a task: too many of an input's records would
// have been dead letters.
type DeadLetterRateError struct {
	Topic     string
	Partition int32
	Dead      int64 // among the latest records, the one that was one too many included
	Span      int64 // so many records, deadletter.breaker.records
	Ratio     float64
	Exception string // the one seen most
	Times     int64
	Message   string // of the last
}

// Error names the ratio, the exception seen most and the last message.
func (e *DeadLetterRateError) Error() string {
	return fmt.Sprintf("%d of the latest %d records of %s-%d are dead letters, more than "+
		"deadletter.breaker.ratio=%v allows; most are %s (%d of %d), the last: %.500s", e.Dead,
		e.Span, e.Topic, e.Partition, e.Ratio, e.Exception, e.Times, e.Dead, e.Message)
}

// Mend says what helps.
func (e *DeadLetterRateError) Mend() string {
	return "roll back the deploy, or mend what writes to " + e.Topic + ", then restart the " +
		"instance; if they are to go to the dead-letter topic, restart it with a higher " +
		"deadletter.breaker.ratio (1: never stop)"
}

// died counts a dead letter of an input, before the record is accounted for otherwise. One that was
// dead before and is tried again is none that anybody just broke.
func (c *core) died(input int, rec *kgo.Record, why *RejectError) {
	b, in := c.bind.breaker, &c.position.Inputs[input]
	if b.off() || attemptOf(rec, c.bind.dlq.name) > 1 {
		return
	}
	nth := in.Accounted() // rec is counted by now
	in.Deaths = append(b.recent(in.Deaths, nth), record.Death{Nth: nth,
		Exception: fmt.Sprintf("%.100s", why.Exception)})
	if dead := int64(len(in.Deaths)); dead > b.limit() &&
		in.Dead-c.deadBefore[input] >= min(breakerProbe, b.limit()+1) {
		e := &DeadLetterRateError{Topic: rec.Topic, Partition: rec.Partition, Dead: dead,
			Span: b.span, Ratio: b.ratio, Message: why.Message}
		e.Exception, e.Times = mostSeen(in.Deaths)
		c.tripped = e
	}
}

// recent leaves out the deaths that are not among the latest records when nth is the last.
func (b breaker) recent(deaths []record.Death, nth int64) []record.Death {
	for len(deaths) > 0 && deaths[0].Nth <= nth-b.span {
		deaths = deaths[1:]
	}
	return deaths
}

// lived lets an input's old deaths go as its records are accounted for.
func (c *core) lived(in *record.Input) {
	if in.Deaths = c.bind.breaker.recent(in.Deaths, in.Accounted()); len(in.Deaths) == 0 {
		in.Deaths = nil
	}
}

// mostSeen is the exception that most deaths have, the first in the alphabet of equals.
func mostSeen(deaths []record.Death) (exception string, times int64) {
	counts := make(map[string]int64)
	for _, d := range deaths {
		counts[d.Exception]++
	}
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	return names[0], counts[names[0]]
}
