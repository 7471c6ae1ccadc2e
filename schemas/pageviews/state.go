package pageviews

// PageTotal is what was last emitted of a page that has views in its window.
type PageTotal struct {
	Views  int64 `avro:"views"`
	AsOf   int64 `avro:"as_of"`  // ms; where the window of these views ended
	Oldest int64 `avro:"oldest"` // minute since the epoch of the oldest PageMinute that is kept
}

// PageMinute is a page's views in each second of one minute; second s stands for (s − 1, s].
type PageMinute struct {
	First  int64   `avro:"first"`  // which second of the minute Counts[0] is of
	Counts []int64 `avro:"counts"` // up to the last second with views; at most 60
}
