//go:build synctests && pawlmutants

package sim_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"pawl/internal/mutant"
)

// mutantSeedsVariable says within how many seeds a seeded bug must be caught.
const mutantSeedsVariable = "PAWL_MUTANT_SEEDS"

const (
	mutantSeeds = 3000
	failedExit  = 1 // of a campaign with a failed seed
)

// TestMutants runs a campaign on each seeded bug until a seed fails, and one on none of them, which
// must not: else it would be the harness that is caught.
func TestMutants(t *testing.T) {
	limit := number(mutantSeedsVariable, mutantSeeds)
	t.Run("none", func(t *testing.T) {
		if n, out, code := hunt(t, "", limit/30); code != 0 {
			t.Errorf("without a bug a seed failed, after %d; exit %d:\n%s", n, code, out)
		}
	})
	for _, bug := range mutant.All() {
		t.Run(string(bug), func(t *testing.T) {
			n, out, code := hunt(t, bug, limit)
			switch code {
			case failedExit:
				fmt.Printf("%-22s caught after %d seeds\n", bug, n)
			case 0:
				t.Errorf("%s: NOT caught in %d seeds", bug, n)
			default:
				t.Errorf("%s: the campaign ended with exit code %d:\n%s", bug, code, out)
			}
		})
	}
}

var seedsRun = regexp.MustCompile(`(?m)^sim: (\d+) seeds`)

// hunt runs a campaign that ends at the first failure, and says how many seeds it took.
func hunt(t *testing.T, bug mutant.Bug, seeds uint64) (n int, out []byte, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PAWL_MUTANT="+string(bug),
		seedsVariable+"="+strconv.FormatUint(seeds, 10))
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if found := seedsRun.FindSubmatch(out); found != nil {
		n, _ = strconv.Atoi(string(found[1])) // digits
	}
	return n, out, cmd.ProcessState.ExitCode()
}
