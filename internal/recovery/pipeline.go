package recovery

import (
	"encoding/binary"

	"pawl/processor"
	"pawl/schemas"
)

// Names of the pipeline and its topics. Kafka Streams reads the same input.
const (
	Name       = "recovery"
	Events     = "recovery-events"
	Answers    = "recovery-answers"
	Table      = "counts"
	payloadLen = 70 // with its key, a record of the changelog takes about a hundred bytes
)

// event is an input record. The payload is what the state keeps of the key's last event.
type event struct {
	Seq     int64  `avro:"seq"` // 0 for the records that make the state
	Payload []byte `avro:"payload"`
}

func eventType() schemas.Type[event] {
	return schemas.Avro[event](`{"type": "record", "name": "Event", "namespace": "recovery",
		"fields": [{"name": "seq", "type": "long"}, {"name": "payload", "type": "bytes"}]}`)
}

// counted is the state of a key.
type counted struct {
	Count   int64  `avro:"count"`
	Payload []byte `avro:"payload"`
}

func countedType() schemas.Type[counted] {
	return schemas.Avro[counted](`{"type": "record", "name": "Counted", "namespace": "recovery",
		"fields": [{"name": "count", "type": "long"}, {"name": "payload", "type": "bytes"}]}`)
}

// answer says how many events of its key there were by then.
type answer struct {
	Seq   int64 `avro:"seq"`
	Count int64 `avro:"count"`
}

func answerType() schemas.Type[answer] {
	return schemas.Avro[answer](`{"type": "record", "name": "Answer", "namespace": "recovery",
		"fields": [{"name": "seq", "type": "long"}, {"name": "count", "type": "long"}]}`)
}

// Pipeline counts each key's events, keeps the last one, and answers each event of the feed.
func Pipeline() *processor.Pipeline {
	p := processor.New(Name)
	counts := processor.Keyed(p, Table, countedType())
	answers := processor.Output(p, Answers, answerType())
	processor.Input(p, Events, eventType(), func(ctx *processor.Context, e event) error {
		state, _ := counts.Get(ctx)
		state.Count++
		state.Payload = e.Payload
		counts.Set(ctx, state)
		if e.Seq > 0 {
			answers.Emit(ctx, ctx.Key(), answer{Seq: e.Seq, Count: state.Count})
		}
		return nil
	})
	return p
}

// wireHead is the size of the header before a value: a zero byte and the schema's id.
const wireHead = 5

// readAnswer reads an answer's two longs, which Avro writes as Go writes varints. Kafka Streams
// writes the same.
func readAnswer(value []byte) (a answer, ok bool) {
	if len(value) < wireHead {
		return a, false
	}
	rest := value[wireHead:]
	for _, field := range []*int64{&a.Seq, &a.Count} {
		v, n := binary.Varint(rest)
		if n <= 0 {
			return a, false
		}
		*field, rest = v, rest[n:]
	}
	return a, len(rest) == 0
}
