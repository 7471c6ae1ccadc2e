package harness

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// ID makes up a name that no other test uses, for topics, groups and application ids: the
// test's own name, so that logs tell whose it is, and a random end, so that it can run again on
// the same cluster.
func ID(tb testing.TB) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, strings.TrimPrefix(tb.Name(), "Test"))
	const longest = 100 // Kafka takes topic names up to 249, and suffixes are to follow
	return fmt.Sprintf("%.*s-%08x", longest, name, rand.Uint32())
}
