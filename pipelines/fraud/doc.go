// Package fraud judges every transaction by the exact velocity of its user: a decision's count and
// sum are those of the user's transactions that stand before it on its partition, itself included,
// with a timestamp in (t − span, t], to the millisecond, whatever order they arrived in.
//
// Input is the topic transactions, keyed by user_id, and the table fraud-limits with a user's own
// limits. Output is a Decision per transaction on fraud-decisions and an Alert per flagged one on
// fraud-alerts. A transaction that comes after the watermark has passed it by more than the grace
// goes to the late topic instead; a broken one to the dead-letter topic. Neither is counted.
//
// State, per user, holds the transactions that a later decision can still need, which are those
// with timestamp > watermark − grace − span:
//
//	fraud-limits    (user)                 → Limits
//	velocity        (user)                 → Velocity: level, base, slots
//	velocity-nodes  (user, level, bucket)  → VelocityNode: slots
//	timers-expiry   (time, user)           → when to look whether the user is idle
//
// A user with few transactions is one Velocity of level 0, one slot per transaction. A user with
// many is the root of a tree: a slot of level k sums up 64^k ms, and the node (level k−1, bucket b)
// holds what slot b of level k is made of. Adding a transaction touches one node per level, asking
// for a range at most two, and expired nodes are dropped as fast as new ones come: a record costs
// much the same with ten transactions in the window and with a million.
//
// Files, in the order of a record's path: config.go (settings), pipeline.go (the topology),
// velocity.go (a user's window), tree.go (the nodes below it). Beside the path: oracle.go (the same
// meaning as a sorted slice and a loop; every test compares with it), canonical.go (state in a form
// that can be compared), generator.go and poison.go (seeded load).
package fraud
