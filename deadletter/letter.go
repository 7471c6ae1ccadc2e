package deadletter

import (
	"encoding/hex"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Headers of a retried record, beside those that it came with.
const (
	// AttemptHeader says in which attempt the record is tried, a decimal number. The engine hands
	// it on to the dead letter, where 1 stands for a record that was never retried.
	AttemptHeader = "pawl.attempt"
	// FromHeader is the ID of the dead letter that was retried.
	FromHeader = "pawl.retried.from"
)

// State says what was done with a dead letter.
type State string

// States of a dead letter.
const (
	Dead      State = "dead"      // nothing yet
	Retried   State = "retried"   // its record is on its input again
	Discarded State = "discarded" // nobody wants it any more
)

// Letter is one dead letter. Topic, Partition and Offset are where its record stood when it died.
type Letter struct {
	ID        ID        `json:"id"`
	Exception string    `json:"exception"`
	Message   string    `json:"message"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Time      time.Time `json:"time"` // of the record
	Attempts  int       `json:"attempts"`
	State     State     `json:"state"`
	Task      string    `json:"task"`
	Epoch     int64     `json:"task_epoch"`     // in which it gave the record up
	Omitted   []string  `json:"omitted"`        // what the topic could not take
	Handled   *Marker   `json:"handled"`        // nil for Dead
	Value     any       `json:"value"`          // decoded; only where that was asked for
	Note      string    `json:"note,omitempty"` // why the value is not decoded

	record  *kgo.Record
	brought int // so many headers came with the record
	fault   error
}

// read takes a dead letter apart. What it cannot tell stays empty, and the letter cannot be
// retried.
func read(rec *kgo.Record) *Letter {
	l := &Letter{ID: ID{rec.Topic, rec.Partition, rec.Offset}, State: Dead, Attempts: 1,
		Time: rec.Timestamp.UTC(), record: rec, Omitted: []string{}, Partition: -1, Offset: -1}
	for i, h := range slices.Backward(rec.Headers) {
		if h.Key == "__streams.errors.exception" {
			l.brought = i
			break
		}
	}
	var errs []error
	number := func(text []byte, bits int) int64 {
		n, err := strconv.ParseInt(string(text), 10, bits)
		if err != nil || n < 0 {
			errs = append(errs, strconv.ErrSyntax)
		}
		return n
	}
	errs = append(errs, errors.New("no source")) // until there is a topic
	for _, h := range rec.Headers[l.brought:] {
		switch h.Key {
		case "__streams.errors.exception":
			l.Exception = string(h.Value)
		case "__streams.errors.message":
			l.Message = strings.ToValidUTF8(string(h.Value), "\uFFFD")
		case "__streams.errors.topic":
			l.Topic = string(h.Value)
			errs = errs[1:]
		case "__streams.errors.partition":
			l.Partition = int32(number(h.Value, 32))
		case "__streams.errors.offset":
			l.Offset = number(h.Value, 64)
		case "pawl.task":
			l.Task = string(h.Value)
		case "pawl.epoch":
			l.Epoch = number(h.Value, 64)
		case AttemptHeader:
			l.Attempts = int(number(h.Value, 31))
		case "pawl.value.omitted", "pawl.headers.omitted", "pawl.key.omitted":
			what := strings.TrimSuffix(strings.TrimPrefix(h.Key, "pawl."), ".omitted")
			l.Omitted = append(l.Omitted, what)
		}
	}
	if len(errs) > 0 || l.Topic == "" || l.Partition < 0 || l.Offset < 0 || l.Attempts < 1 {
		l.fault = errors.New("its headers do not say where the record stood and how often it was " +
			"tried; is it one that pawl wrote?")
	}
	return l
}

// Bytes is the value as it came; nil for none.
func (l *Letter) Bytes() []byte { return l.record.Value }

// key names the record that died, for its marker.
func (l *Letter) key() string {
	if l.fault != nil {
		return "dead letter " + l.ID.String()
	}
	return ID{l.Topic, l.Partition, l.Offset}.String()
}

// sum tells the record from another one that stood at the same place of a topic that was deleted
// and made again.
func (l *Letter) sum() string {
	h := fnv.New128a()
	for _, part := range [][]byte{[]byte(l.record.Timestamp.UTC().Format(time.RFC3339Nano)),
		l.record.Key, l.record.Value} {
		h.Write(strconv.AppendInt(nil, int64(len(part)), 10)) // never fails
		h.Write([]byte{' '})
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// came are the headers that the record had before it was ever retried.
func (l *Letter) came() []kgo.RecordHeader {
	return slices.DeleteFunc(slices.Clone(l.record.Headers[:l.brought]),
		func(h kgo.RecordHeader) bool { return h.Key == AttemptHeader || h.Key == FromHeader })
}

// again is the record as it is put back: key, value, timestamp and headers as they came, and which
// attempt this is.
func (l *Letter) again(partition int32) *kgo.Record {
	return &kgo.Record{Topic: l.Topic, Partition: partition, Key: l.record.Key,
		Value: l.record.Value, Timestamp: l.record.Timestamp,
		Headers: append(l.came(),
			kgo.RecordHeader{Key: AttemptHeader, Value: []byte(strconv.Itoa(l.Attempts + 1))},
			kgo.RecordHeader{Key: FromHeader, Value: []byte(l.ID.String())})}
}
