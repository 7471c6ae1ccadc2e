//go:build unix

package harness

import (
	"errors"
	"os"
	"testing"

	"pawl/integration/harness/servers"
)

// Names of the environment variables that the package documentation explains.
const (
	requireVariable  = "PAWL_REQUIRE_SERVERS"
	kafkaVariable    = "PAWL_KAFKA"
	registryVariable = "PAWL_REGISTRY"
)

// tailLines is how much a failed test shows of each server's log.
const tailLines = 25

// check ends the test when err says that no server could be started: it skips when the machine
// lacks the means and nobody requires them, and fails otherwise.
func check(tb testing.TB, err error) {
	tb.Helper()
	if err == nil {
		return
	}
	var missing *servers.Unavailable
	if errors.As(err, &missing) && os.Getenv(requireVariable) != "1" {
		tb.Skipf("skipped for want of a real server: %v", err)
	}
	tb.Fatal(err)
}
