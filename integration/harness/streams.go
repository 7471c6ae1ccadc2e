//go:build unix

package harness

import (
	"testing"

	"pawl/integration/harness/servers"
)

// StreamsLibrary is a JDK and Kafka Streams.
type StreamsLibrary = servers.Streams

// Streams is a JDK and Kafka Streams. Without them the test is skipped, or fails, as without a
// server.
func Streams(tb testing.TB) StreamsLibrary {
	tb.Helper()
	found, err := servers.FindStreams()
	check(tb, err)
	return found
}
