package schemas

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hamba/avro/v2"
)

// DefaultLevel is the compatibility level of a registry that nobody configured: data written with
// the last schema can be read with the next.
const DefaultLevel = "BACKWARD"

// Level is a compatibility level taken apart.
type Level struct {
	Backward   bool // a new schema reads old data
	Forward    bool // an old schema reads new data
	Transitive bool // old means every version, not only the last
}

// ParseLevel takes a level apart, as Confluent spells it.
func ParseLevel(name string) (Level, error) {
	base, transitive := strings.CutSuffix(name, "_TRANSITIVE")
	l := Level{Transitive: transitive}
	switch base {
	case "BACKWARD":
		l.Backward = true
	case "FORWARD":
		l.Forward = true
	case "FULL":
		l.Backward, l.Forward = true, true
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

// Clash is one place where two versions of a subject do not go together.
type Clash struct {
	Version int    // the older version
	Readers bool   // its readers cannot read new data; otherwise its data cannot be read
	Field   string // path such as transactions[].cents; the record's name for itself
	Reason  string
}

// String says it in one line.
func (c Clash) String() string {
	whose := "data"
	if c.Readers {
		whose = "readers"
	}
	return fmt.Sprintf("%s of version %d: %s: %s", whose, c.Version, c.Field, c.Reason)
}

// Clashes returns every place where the schema next does not go together with the versions before
// it, oldest first.
func (l Level) Clashes(next string, before []Version) ([]Clash, error) {
	parsed, _, err := parse(next)
	if err != nil {
		return nil, err
	}
	if !l.Transitive && len(before) > 1 {
		before = before[len(before)-1:]
	}
	var all []Clash
	for _, old := range before {
		schema, _, err := parse(old.Schema)
		if err != nil {
			return nil, fmt.Errorf("version %d of subject %s: %w", old.Number, old.Subject, err)
		}
		if l.Backward {
			all = append(all, clashes(Clash{Version: old.Number}, parsed, schema)...)
		}
		if l.Forward {
			readers := Clash{Version: old.Number, Readers: true}
			all = append(all, clashes(readers, schema, parsed)...)
		}
	}
	return all, nil
}

// clashes are all reasons for which data of writer cannot be read as reader.
func clashes(c Clash, reader, writer avro.Schema) []Clash {
	err := Compatible(reader, writer)
	var found *ClashError
	if !errors.As(err, &found) {
		return nil
	}
	all := make([]Clash, len(found.Fields))
	for i, field := range found.Fields {
		all[i] = c
		all[i].Field, all[i].Reason = field, found.Reasons[i]
	}
	return all
}
