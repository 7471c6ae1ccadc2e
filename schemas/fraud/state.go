package fraud

// Velocity is a user's transactions that later decisions can need, or the root of a tree over
// them.
type Velocity struct {
	Level int32  `avro:"level"` // 0: a slot per transaction; above: one per 64^Level ms
	Base  int64  `avro:"base"`  // what index 0 stands for, in units of 64^Level ms
	Slots []Slot `avro:"slots"` // by index
}

// Slot sums up the transactions of one stretch of event time.
type Slot struct {
	Index      int64 `avro:"index"` // which stretch
	Count      int64 `avro:"count"`
	TotalCents int64 `avro:"total_cents"`
}

// VelocityNode is a part of the state of a user with many transactions.
type VelocityNode struct {
	Slots []Slot `avro:"slots"` // by index, 0 to 63
}
