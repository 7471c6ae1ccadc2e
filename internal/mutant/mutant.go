package mutant

// Bug is a seeded bug, by its name in PAWL_MUTANT.
type Bug string

// The seeded bugs.
const (
	// ApplyBeforeCommit writes an epoch to the store when it is sent, not when it is committed.
	ApplyBeforeCommit Bug = "apply-before-commit"
	// RestoreToStable takes the changelog's last stable offset for its end.
	RestoreToStable Bug = "restore-to-stable"
	// NoMembership commits offsets without member and generation, which the broker never checks.
	NoMembership Bug = "no-membership"
	// TrustAbort believes the abort that follows an unconfirmed commit.
	TrustAbort Bug = "trust-abort"
	// IgnoreProduceError commits although a record was not produced.
	IgnoreProduceError Bug = "ignore-produce-error"
	// NoPosition leaves the position record out.
	NoPosition Bug = "no-position"
	// SplitApply writes the position to disk in a batch of its own, before the data.
	SplitApply Bug = "split-apply"
	// StaleStore goes on from the store on disk as if the changelog had nothing newer.
	StaleStore Bug = "stale-store"
	// StaleCheckpoint goes on from a checkpoint as if the changelog had nothing newer.
	StaleCheckpoint Bug = "stale-checkpoint"
	// NoFence goes on although another instance's transaction on the changelog is open.
	NoFence Bug = "no-fence"
	// CommitAfterAbort commits epoch n+1 although n, which it read, was aborted.
	CommitAfterAbort Bug = "commit-after-abort"
	// WatermarkLost starts event time anew at every start.
	WatermarkLost Bug = "watermark-lost"
	// KeepDirty keeps changed entries in the decoded cache after an abort.
	KeepDirty Bug = "keep-dirty"
)

// All lists the seeded bugs that the simulation meets; StaleCheckpoint is met by the engine's own
// tests.
func All() []Bug {
	return []Bug{ApplyBeforeCommit, RestoreToStable, NoMembership, TrustAbort, IgnoreProduceError,
		NoPosition, SplitApply, StaleStore, NoFence, CommitAfterAbort, WatermarkLost, KeepDirty}
}
