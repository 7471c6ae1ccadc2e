// Package aggregate has ready-made aggregates to fold with processor.Aggregate and its kin: the
// same values in the same order give the same aggregate, to the byte, however the input was cut
// into batches and whatever was stored and read back in between.
//
// Each aggregate is a plain struct whose zero value has seen nothing. For an aggregate A,
//
//	AType   gives its schema, for a table or an output topic,
//	AOf     makes the fold func(A, V) A of what is to be taken from a V,
//	A.Merge is the merge(earlier, later) that sessions need; MergeA(n) where A is cut off at n.
//
//	processor.AggregateSessions(p, "visit", processor.SessionGap(30*time.Minute),
//		aggregate.StatsType(), aggregate.StatsOf(func(v View) float64 { return v.Price }),
//		aggregate.Stats.Merge, emit)
//
// Folding and merging spend their arguments, as append does: the result may share their memory,
// which belongs to the table, so only the result may be used afterwards.
//
// Sums of float64 are plain additions in order of arrival: a loop over the values gives the same
// sum. A merge adds the later sum to the earlier one, so that a merged sum can differ from the
// sum over all values in its last bits. Every not-a-number is stored as the same one.
//
// What each one costs a key of state: Count, Stats and IntStats a few bytes; First, Last and
// TopValues n values; Distinct at most 3 KiB; Top one entry for each of its keys.
//
// Files: stats.go (Count, Stats, IntStats, and what numbers they take), ends.go (First, Last),
// distinct.go (Distinct), hyperloglog.go (its registers and its estimate), top.go (Top, TopValues).
package aggregate
