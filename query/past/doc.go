// Package past answers from checkpoints: what it shows of a task is one checkpoint's state, whole,
// and it never keeps more on disk than it was allowed.
//
// Downloads belong to the Cache, not to the request that asked first: a request waits as long as it
// likes, and the next one finds what is there by then. Two are under way at once; a checkpoint is
// downloaded once however many ask. Least recently used stores go when there is no room.
//
// Files, from the question down: cache.go (who asks, how much is kept), choose.go (which checkpoint
// a moment means), listing.go (which there are), store.go (one of them, opened), row.go (one of
// them, as it is listed).
package past
