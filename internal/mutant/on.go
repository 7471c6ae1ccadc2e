//go:build pawlmutants

package mutant

import "os"

// Is tells whether this process has the bug.
func Is(b Bug) bool { return os.Getenv("PAWL_MUTANT") == string(b) }
