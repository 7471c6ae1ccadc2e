package processor

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

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
