package schemas

import (
	"fmt"
	"strings"

	"github.com/hamba/avro/v2"
)

// DefaultLevel is the compatibility level of a registry that nobody configured: data written with
// the last schema can be read with the next.
const DefaultLevel = "BACKWARD"

// level is a compatibility level taken apart.
type level struct {
	backward   bool // a new schema reads old data
	forward    bool // an old schema reads new data
	transitive bool // old means every version, not only the last
}

// parseLevel takes a level apart, as Confluent spells it.
func parseLevel(name string) (level, error) {
	base, transitive := strings.CutSuffix(name, "_TRANSITIVE")
	l := level{transitive: transitive}
	switch base {
	case "BACKWARD":
		l.backward = true
	case "FORWARD":
		l.forward = true
	case "FULL":
		l.backward, l.forward = true, true
	case "NONE":
		if !transitive {
			return l, nil
		}
		fallthrough
	default:
		return l, fmt.Errorf("compatibility level %q is unknown; use NONE, BACKWARD, FORWARD or "+
			"FULL, the last three also with _TRANSITIVE", name)
	}
	return l, nil
}

// check returns what forbids the schema next after the versions before it, oldest first.
func (l level) check(next avro.Schema, before []memoryVersion) []string {
	if !l.transitive && len(before) > 1 {
		before = before[len(before)-1:]
	}
	var reasons []string
	for _, old := range before {
		if l.backward {
			if err := Compatible(next, old.schema); err != nil {
				reasons = append(reasons, fmt.Sprintf("data of version %d: %v", old.Number, err))
			}
		}
		if l.forward {
			if err := Compatible(old.schema, next); err != nil {
				reasons = append(reasons, fmt.Sprintf("readers of version %d: %v", old.Number, err))
			}
		}
	}
	return reasons
}
