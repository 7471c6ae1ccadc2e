// Package checkpoint keeps copies of a task's store in object storage: a checkpoint that can be
// seen is whole, and no crash, race or zombie takes the last good one away.
//
// A checkpoint is a manifest that names objects. Keys, below the Target's URL:
//
//	manifests/APPLICATION/TASK/ID     what the checkpoint is and which files it has
//	objects/APPLICATION/TASK/SHA-N    a file's bytes; N is new with each upload
//	retired/APPLICATION/TASK/ID       empty: nothing may be built on that checkpoint any more
//	verified/APPLICATION/TASK/ID      empty: every object was once read back and found right
//	clocks/APPLICATION/TASK/N         empty, for a moment: the storage's own time
//
// An ID is CLAIM-EPOCH-CHANGELOG of the position that the store's files hold. Claims and epochs
// only grow along the committed log and a store is never ahead of it, so a zombie's checkpoint
// sorts below its successor's, and two of one ID hold the same state. FORMAT.md has the bytes.
//
// # Why nothing that is needed is deleted
//
// No key of an object is ever written twice, and all times are the storage's own. G is the grace;
// a request takes effect within G/8 of when it was sent, or never.
//
//  1. A Writer reads the time t, then builds on an object that is there only if a manifest without
//     a retired mark names it, or it is younger than G/2; it uploads all others under new keys. It
//     sends the manifest before t+G/4, or gives up.
//  2. Prune first marks a manifest as retired, and deletes it no sooner than G after the mark.
//  3. Prune reads the time, then lists manifests and objects, and deletes an object only if it was
//     older than G at that time and no manifest of the list names it, but for those that 2 lets it
//     delete; so it must have read them all.
//
// Say Prune read the time b and deletes object X, ever so late, while a Writer's manifest names X:
// it is not in Prune's list, so it was published at p > b, and p < t+3G/8. Then X was younger than
// 7G/8 at b (uploaded, or reused young), against 3; or a manifest that had no mark after t named X:
// by 2 it was there, and not to be deleted, until t+7G/8 > p, so the list had it. The same holds
// for any number of Prunes, frozen ones included. A restore that began on a checkpoint before it
// was retired has G to end.
//
// A death anywhere leaves either garbage (objects, marks and clocks that nothing names), which the
// next Prune removes once it is older than G, or a manifest that is retired and still whole.
//
// # Encryption
//
// A Target with a Vault has its checkpoints encrypted: a task's files with one data key, which a
// manifest carries wrapped. Objects are named by a keyed sum then, so that unchanged files are
// still uploaded once; each is bound to its name, and a manifest's plain part to its private one.
// Whoever has no key still sees what Prune needs, and never takes a locked checkpoint for a damaged
// one.
//
// Files: config.go (settings), target.go (Target, Open), folder.go and bucket.go (where objects
// are), vault.go (keys), seal.go (what is encrypted with them), transfer.go (limits, progress,
// sums), manifest.go (Description, Manifest), series.go (keys, one task's checkpoints, List,
// Latest), writer.go, verify.go, restore.go, prune.go. Beside them: memory.go (the model of a
// Target).
package checkpoint
