// Package transactions lists an application's transactions and ends those that nobody else will: an
// abort happens only to what was looked at just before, belongs to the application, and has an
// owner that is gone, unless somebody insists.
//
// A transaction that its coordinator knows is ended by fencing its transactional id, which is what
// the owner's own restart does. One that the coordinator does not know, and that therefore holds
// its partitions' last stable offset back for ever, is ended by writing the markers that are
// missing (KIP-664).
//
// Files, in the order of use: transaction.go (what is told of one), desk.go (what is kept open),
// owner.go (whose it is, and whether that lives), list.go (of the coordinators), hanging.go (of the
// partitions), abort.go.
package transactions
