// Package rolling is an application in two versions that may run side by side: each reads the
// events, the state and the results that the other writes.
//
// Next has renamed a field and has one more, in the event, the state and the receipt alike. Old is
// the version of before, which was prepared for that: its fields have their later names as aliases,
// for an alias is the reader's, and while both run the old version is a reader of what the new one
// writes. What it has no field for it drops, from the state too when it writes that again.
//
// The tests in package integration replace instances of one by instances of the other.
//
// Files: old.go, next.go (the versions), shop (the program).
package rolling
