//go:build !synctests

package sim_test

import "testing"

// TestSeeds stands for the tests that need the tag.
func TestSeeds(t *testing.T) {
	t.Skip("the simulation needs franz-go's mutexes to be channels: go test -tags synctests " +
		"./integration/sim, or make sim")
}
