package settings

import "strings"

// A Flag is a setting given by a command-line flag of its own, such as --kafka.
type Flag struct {
	Name  string // of the flag, without dashes
	Key   string // of the setting
	Value string
}

// readFlags lists --set key=value pairs, then the flags of their own.
func readFlags(sets []string, flags []Flag) ([]entry, Faults) {
	var entries []entry
	var faults Faults
	for _, set := range sets {
		key, value, ok := strings.Cut(set, "=")
		if !ok || key == "" {
			faults = append(faults, &Fault{Key: set, Source: "flag --set",
				What: "has no value; write --set key=value"})
			continue
		}
		entries = append(entries, entry{key: key, value: value, source: "flag --set"})
	}
	for _, f := range flags {
		entries = append(entries, entry{key: f.Key, value: f.Value, source: "flag --" + f.Name})
	}
	return entries, faults
}
