//go:build race

package harness

// raceEnabled tells whether this test binary has the race detector; what it builds has it too.
const raceEnabled = true
