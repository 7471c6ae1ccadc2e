package processor

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Shedding says which records an input may leave out when its task cannot keep up. A record that
// is shed goes unchanged to `<application.id>-shed`, with the reason, and is counted: it moves no
// watermark, touches no state and leads to no output. At least one limit must be set.
//
// Whether a record is shed depends on the clock and on the log's end when it is processed, so a
// replay may shed others; what was shed is what the shed topic holds. Without a cluster (Offline,
// package processortest) nothing is shed.
type Shedding[V any] struct {
	// Priority of a value. It must not block. Required.
	Priority func(V) int
	// Below is the priority from which on records are never shed.
	Below int
	// MaxLag is how many records may stand between a record and its input's known end before it
	// is shed. Default 0: no limit.
	MaxLag int64
	// MaxLatency is how far a record's Kafka timestamp may lie back before it is shed. Default 0:
	// no limit.
	MaxLatency time.Duration
}

// Shed lets the input leave out records of low priority when its task cannot keep up. Without it
// none ever is.
func (s *Source[V]) Shed(sh Shedding[V]) *Source[V] {
	fault := func(format string, args ...any) {
		s.p.fault("input %q: shedding: %s", s.name, fmt.Sprintf(format, args...))
	}
	if s.shedding != nil {
		fault("is set twice; keep one")
	}
	if s.isTable() {
		fault("a table input cannot leave records out; shed at the stream that reads the table")
	}
	if sh.Priority == nil {
		fault("has no Priority; say which records matter less")
	}
	if sh.MaxLag < 0 {
		fault("MaxLag=%d is negative; give 0 for no limit, or more", sh.MaxLag)
	}
	if sh.MaxLatency < 0 {
		fault("MaxLatency=%v is negative; give 0 for no limit, or more", sh.MaxLatency)
	}
	if sh.MaxLag == 0 && sh.MaxLatency == 0 {
		fault("has no limit; set MaxLag, MaxLatency or both")
	}
	s.shedding = &sh
	return s
}

// excess says which limit a record has passed, with the numbers; "" for none.
func (sh *Shedding[V]) excess(rec *kgo.Record, end int64, now time.Time) string {
	if lag := end - rec.Offset - 1; sh.MaxLag > 0 && lag > sh.MaxLag {
		return fmt.Sprintf("lag of %d records is above %d", lag, sh.MaxLag)
	}
	if sh.MaxLatency == 0 || rec.Timestamp.UnixMilli() < 0 { // negative stands for no timestamp
		return ""
	}
	if age := now.Sub(rec.Timestamp); age > sh.MaxLatency {
		return fmt.Sprintf("latency of %v is above %v", age.Round(time.Millisecond), sh.MaxLatency)
	}
	return ""
}

func (s *sourceScout[V]) impatient() bool {
	return s.step.shedding != nil && s.step.shedding.MaxLatency > 0
}

func (s *sourceScout[V]) shed(rec *kgo.Record, end int64) (reason string, err error) {
	sh := s.step.shedding
	if sh == nil {
		return "", nil
	}
	excess := sh.excess(rec, end, time.Now())
	if excess == "" || s.read(rec) != nil { // what cannot be read is the core's to judge
		return "", nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the priority of a record to be shed panicked: %v", r)
		}
	}()
	if priority := sh.Priority(s.step.val); priority < sh.Below {
		return fmt.Sprintf("%s; priority %d is below %d", excess, priority, sh.Below), nil
	}
	return "", nil
}
