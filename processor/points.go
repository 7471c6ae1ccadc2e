package processor

// Points are the names that Config.Point is called with: first those of an epoch's transaction, in
// the order it passes them, then the others.
func Points() []string {
	return []string{
		"before-begin",    // nothing is sent yet
		"first-ack",       // a record is in an open transaction
		"flushed",         // all records are
		"offsets-pending", // the input offsets too
		"end-sent",        // EndTxn is under way: either outcome
		"end-answered",    // committed, and not in the store
		"applying",        // the same
		"applied",         // in the store's memory

		"overlapping", // a record of the next epoch was processed while EndTxn is under way
		"spilling",    // committed changes are about to go to disk
		"spilled",     // they went, perhaps not further than Pebble's memtable
		"claimed",     // a claim is committed and not yet read back
		"restoring",   // changes read from the changelog are about to go to disk
		"restored",    // all up to the claim are there, and not proved yet
		"revoking",    // tasks are to be given up, their last epoch is open
	}
}

// CheckpointPoints are the names that Config.Point is called with by instances that keep
// checkpoints, beside Points.
func CheckpointPoints() []string {
	return []string{
		"checkpoint-copied",   // the store is copied, nothing is uploaded
		"checkpoint-uploaded", // all files are, and no manifest: there is no checkpoint yet
		"checkpoint-written",  // the checkpoint is there, its copy not yet removed
		"checkpoint-pruned",   // old ones were given up
		"restore-downloaded",  // a checkpoint is there whole, and not in the store's place
	}
}
