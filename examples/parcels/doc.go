// Command parcels is the program of docs/tutorial.md, compiled and tested: every parcel scanned at
// a depot counts once in each window of its depot, whatever crashes. The tutorial shows the text of
// these files, and a test compares the two.
//
// Files: pipeline.go (what is computed), main.go (the process), feed.go (scans to play with, and
// what became of them), replay.go (the same scans through a changed pipeline).
package main
