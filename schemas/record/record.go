package record

// Position is the last record of an epoch on a task's changelog partition: where the task stands.
type Position struct {
	Epoch        int64   `avro:"epoch"`        // counts up by one per committed epoch of the task
	Claim        int64   `avro:"claim"`        // of the owner that wrote it: its claim record's offset
	Writer       string  `avro:"writer"`       // its transactional id
	Inputs       []Input `avro:"inputs"`       // one per input partition, in the order of the pipeline
	Watermark    int64   `avro:"watermark"`    // event time in ms that the task has seen up to
	Ticks        int64   `avro:"ticks"`        // idle ticks taken so far
	Digest       int64   `avro:"digest"`       // rolling digest of the state: the bits of a uint64
	Bootstrapped bool    `avro:"bootstrapped"` // tables were read to their end before the first record
	Partitions   int32   `avro:"partitions"`   // of the inputs, and so the number of tasks
	// Incarnation counts how often the task was taken back to an earlier position, or a replay took
	// its place: where it rises, offsets, watermark and ledger may fall. Ticks never do.
	Incarnation int64 `avro:"incarnation"`
}

// Input is how far a task has come on one input partition, with its ledger since the log began:
// offset = where it began + processed + late + dead + deduplicated + filtered + shed + gaps.
type Input struct {
	Topic        string `avro:"topic"`
	TopicID      string `avro:"topic_id"` // a topic that was deleted and made again has another
	Partition    int32  `avro:"partition"`
	Offset       int64  `avro:"offset"` // of the next record to read
	Processed    int64  `avro:"processed"`
	Late         int64  `avro:"late"`
	Dead         int64  `avro:"dead"`
	Deduplicated int64  `avro:"deduplicated"`
	Filtered     int64  `avro:"filtered"`
	Shed         int64  `avro:"shed"`
	Gaps         int64  `avro:"gaps"` // offsets that hold no record: markers, aborted, compacted
	// Passed is the greatest timestamp in ms of another input's record that was taken while this
	// one had none to offer; -1 for none. A record at or below it comes too late to be merged.
	Passed int64 `avro:"passed"`
	// Deaths are the dead letters among the latest records, the oldest first: as many records as
	// the breaker looks at. Kept here, no crash and no takeover makes it begin anew.
	Deaths []Death `avro:"deaths"`
}

// Death is a record of an input that went to the dead-letter topic.
type Death struct {
	Nth       int64  `avro:"nth" json:"nth"` // of the records in the input's ledger, from 1
	Exception string `avro:"exception" json:"exception"`
}

// Accounted is how many records are in the ledger.
func (in *Input) Accounted() int64 {
	return in.Processed + in.Late + in.Dead + in.Deduplicated + in.Filtered + in.Shed
}

// Claim says that a new owner has taken a task; whatever an earlier claim writes later is void. A
// claim is known by the changelog offset of its record, so later claims are greater.
type Claim struct {
	Writer string `avro:"writer"` // transactional id of the new owner
}

// TickKind says what a Tick tells replay.
type TickKind string

// Kinds of Tick.
const (
	TickIdle      TickKind = "IDLE"      // input was quiet, so the watermark moved by itself
	TickBootstrap TickKind = "BOOTSTRAP" // tables were read up to After before the first record
	TickDeviation TickKind = "DEVIATION" // a record came too late to be merged in timestamp order
)

// Tick is what a task decided by itself, not by a record, kept so that replay decides the same.
type Tick struct {
	Kind      TickKind `avro:"kind"`
	Task      string   `avro:"task"`
	Topic     string   `avro:"topic"`     // of a deviation: the record that was taken out of order
	Partition int32    `avro:"partition"` // of a deviation
	Offset    int64    `avro:"offset"`    // of a deviation
	After     []Mark   `avro:"after"`     // the next offset on every input when it happened
	Watermark int64    `avro:"watermark"` // in ms, after it
}

// Mark is a place in a partition.
type Mark struct {
	Topic     string `avro:"topic"`
	Partition int32  `avro:"partition"`
	Offset    int64  `avro:"offset"`
}

// Timer is the value of an event-time timer in a store.
type Timer struct {
	At int64 `avro:"at"` // event time in ms at which it fires
}

// Counter counts the records of a key.
type Counter struct {
	N int64 `avro:"n"`
}

// Sessions are a key's open sessions, in order of time.
type Sessions struct {
	Open []Session `avro:"open"`
}

// Session is where a session stands in event time, in ms.
type Session struct {
	Start int64 `avro:"start"` // its first event
	End   int64 `avro:"end"`   // its last event
}
