package activity

// Sum is what a user did in a window that is still open.
type Sum struct {
	EventCount int64   `avro:"event_count"`
	TotalValue float64 `avro:"total_value"` // summed in arrival order
}

// Batch is a user's batch that is not full yet.
type Batch struct {
	FirstTimestamp int64   `avro:"first_timestamp"` // ms, of the event that arrived first
	LastTimestamp  int64   `avro:"last_timestamp"`  // ms, of the event that arrived last
	EventCount     int64   `avro:"event_count"`
	TotalValue     float64 `avro:"total_value"` // summed in arrival order
}
