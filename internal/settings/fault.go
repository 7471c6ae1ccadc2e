package settings

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A Fault is one thing wrong with the settings.
type Fault struct {
	Key    string
	Value  string // masked when secret
	Source string
	What   string // what is wrong; mend
}

// Error is the fault's line.
func (f *Fault) Error() string {
	if f.Key == "" {
		return fmt.Sprintf("(from %s): %s", f.Source, f.What)
	}
	value := f.Value
	if strings.ContainsFunc(value, unicode.IsControl) {
		value = strconv.Quote(value) // a fault is one line
	}
	return fmt.Sprintf("%s=%s (from %s): %s", f.Key, value, f.Source, f.What)
}

// Faults are all that is wrong; Error has one line each.
type Faults []*Fault

// Error joins the faults' lines.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single faults.
func (fs Faults) Unwrap() []error {
	all := make([]error, len(fs))
	for i, f := range fs {
		all[i] = f
	}
	return all
}

// err is fs as an error, nil when there is none.
func (fs Faults) err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

// Explain adds to the faults of a Validate, each worded "key=value: what is wrong; mend", where
// the value came from. Errors that are worded otherwise become faults without a key.
func (s *Settings) Explain(err error) Faults {
	var faults Faults
	for _, e := range leaves(err) {
		faults = append(faults, s.explain(e))
	}
	return faults
}

func (s *Settings) explain(err error) *Fault {
	var known *Fault
	if errors.As(err, &known) {
		return known
	}
	key, rest, found := strings.Cut(err.Error(), "=")
	set, ok := s.lookup(key)
	if !found || !ok {
		return &Fault{Source: "pipeline", What: err.Error()}
	}
	raw, source := s.raw(set)
	// The engine prints what it understood; the operator looks for what was written.
	value, what, cut := cutValue(rest, raw)
	if !cut {
		return &Fault{Source: "pipeline", What: err.Error()}
	}
	return &Fault{Key: key, Value: mask(set, value), Source: source, What: what}
}

func cutValue(rest, raw string) (value, what string, ok bool) {
	if what, ok := strings.CutPrefix(rest, raw+": "); ok {
		return raw, what, true
	}
	value, what, ok = strings.Cut(rest, ": ")
	if !slices.Contains(splitList(raw), value) {
		value = raw
	}
	return value, what, ok
}

// leaves flattens errors that were joined, one per line. An error that merely wraps several in
// one sentence is a leaf.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil && inner.Error() == err.Error() {
			return leaves(inner)
		}
	case interface{ Unwrap() []error }:
		var all []error
		var lines []string
		for _, inner := range e.Unwrap() {
			all = append(all, leaves(inner)...)
			lines = append(lines, inner.Error())
		}
		if strings.Join(lines, "\n") == err.Error() {
			return all
		}
	}
	return []error{err}
}

const masked = "******"

// mask hides a secret, and the password that a URL may carry.
func mask(s Setting, value string) string {
	if value == "" {
		return value
	}
	if unknown := s.kind == nil; s.Secret || unknown && looksSecret(s.Name) {
		return masked
	}
	if !strings.Contains(value, "@") {
		return value
	}
	u, err := url.Parse(value)
	if err != nil {
		return masked
	}
	return u.Redacted()
}

// looksSecret also covers keys that are misspelt, whose value is as secret as if they were not.
func looksSecret(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"pass", "secret", "token", "pasw", "crypt"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
