package processor

import (
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Headers of a record that was a dead letter and is tried again; package deadletter writes them.
const (
	attemptKey = "pawl.attempt"      // in which attempt, a decimal number
	retriedKey = "pawl.retried.from" // where the dead letter stands, TOPIC:PARTITION:OFFSET
)

// attemptOf is how often a record was tried with this time: what the retry of a dead letter of this
// application says, or 1. How often an epoch was tried is no matter of the record's.
func attemptOf(rec *kgo.Record, dlq string) int {
	n, from := 0, ""
	for _, h := range rec.Headers {
		switch h.Key {
		case attemptKey:
			n, _ = strconv.Atoi(string(h.Value)) // what is no number counts as none
		case retriedKey:
			from = string(h.Value)
		}
	}
	if n > 1 && strings.HasPrefix(from, dlq+":") {
		return n
	}
	return 1
}

// recordSize is what a record takes in a batch, in bytes, but for the batch's own head.
func recordSize(r *kgo.Record) int {
	return len(r.Key) + len(r.Value) + headersSize(r.Headers)
}

func headersSize(headers []kgo.RecordHeader) int {
	n := 0
	for _, h := range headers {
		n += len(h.Key) + len(h.Value) + 10 // two lengths
	}
	return n
}

// shed sends rec to the shed topic.
func (c *core) shed(input int, rec *kgo.Record, reason string) error {
	err := c.aside("shed", rec, c.bind.shed,
		kgo.RecordHeader{Key: shedReasonKey, Value: []byte(reason)},
		kgo.RecordHeader{Key: "pawl.task", Value: []byte(c.name)})
	if err == nil {
		c.position.Inputs[input].Shed++
		c.fx.delta.Shed++
	}
	return err
}

// shedReasonKey is the header of a shed record that says why it was.
const shedReasonKey = "pawl.shed.reason"

// shrink leaves out of a dead letter what its topic cannot take: the value, the headers that the
// record brought (the first ones), or at the worst the key as well. What remains says where the
// record stands on its input.
func shrink(r *kgo.Record, brought, limit int) {
	if recordSize(r) <= limit {
		return
	}
	const note = 40 // a header that says what was left out
	over := recordSize(r) + 3*note - limit
	key, value, headers := len(r.Key), len(r.Value), headersSize(r.Headers[:brought])
	omit := func(what string, size int) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "pawl." + what + ".omitted",
			Value: []byte(strconv.Itoa(size))})
	}
	dropValue := value >= over || headers < over // alone it is enough, or the headers are not
	if !dropValue || value < over {
		r.Headers = slices.Clone(r.Headers[brought:])
		omit("headers", headers)
	}
	if dropValue {
		r.Value = nil
		omit("value", value)
	}
	if recordSize(r)+note > limit {
		r.Key = nil
		omit("key", key)
	}
}
