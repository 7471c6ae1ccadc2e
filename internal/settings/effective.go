package settings

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// An Effective setting is one that is in force.
type Effective struct {
	Name    string `json:"name"`
	Value   string `json:"value"` // masked when secret
	Source  string `json:"source"`
	Default string `json:"default"`
	Doc     string `json:"doc"`
}

// Effective lists every setting in force, in the table's order, and where it came from.
func (s *Settings) Effective() []Effective {
	all := make([]Effective, len(s.table))
	for i, set := range s.table {
		value, source := s.raw(set)
		all[i] = Effective{Name: set.Name, Value: mask(set, value), Source: source,
			Default: set.Default, Doc: set.Doc}
	}
	return all
}

// Notices are hints about values that were understood but had better be written otherwise.
func (s *Settings) Notices() []string { return s.notices }

// Text is the value of a setting as text.
func (s *Settings) Text(name string) string {
	set, ok := s.lookup(name)
	if !ok {
		panic(fmt.Sprintf("settings: %q is not in the table", name))
	}
	value, _ := s.raw(set)
	return value
}

// List is the value of a comma-separated setting.
func (s *Settings) List(name string) []string { return splitList(s.Text(name)) }

// Bool is the value of a truth setting.
func (s *Settings) Bool(name string) bool { return s.Text(name) == "true" }

// Duration is the value of a duration setting.
func (s *Settings) Duration(name string) time.Duration {
	d, err := time.ParseDuration(s.Text(name))
	must(name, err)
	return d
}

// Float is the value of a setting with a fraction.
func (s *Settings) Float(name string) float64 {
	v, err := strconv.ParseFloat(s.Text(name), 64)
	must(name, err)
	return v
}

// Int is the value of a whole-number setting.
func (s *Settings) Int(name string) int64 {
	n, err := strconv.ParseInt(s.Text(name), 10, 64)
	must(name, err)
	return n
}

// Bytes is the value of a size setting, 0 for auto and off.
func (s *Settings) Bytes(name string) int64 {
	text := s.Text(name)
	if text == "auto" || text == "off" {
		return 0
	}
	n, err := parseSize(text)
	must(name, err)
	return n
}

// must holds because Load lets only checked values in.
func must(name string, err error) {
	if err != nil {
		panic(fmt.Sprintf("settings: unchecked value of %s: %v", name, err))
	}
}

// WriteFile writes the values in force, defaults left out and those of override put in, as a file
// for --config. Only its owner can read it, since it holds secrets as they are.
func (s *Settings) WriteFile(path string, override map[string]string) error {
	var text strings.Builder
	for _, set := range s.table {
		value, source := s.raw(set)
		changed, ok := override[set.Name]
		if ok {
			value = changed
		} else if source == "default" {
			continue
		}
		// A Go string literal is a YAML one; what looks like a variable must stay what it is.
		quoted := strings.ReplaceAll(strconv.Quote(value), "${", "$${")
		fmt.Fprintf(&text, "%s: %s\n", set.Name, quoted)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write settings to %s: %w", path, err)
	}
	return nil
}

// FromEnviron tells whether the value of a setting came from the environment, which a child
// process would read again, over its file.
func (s *Settings) FromEnviron(name string) bool {
	return strings.HasPrefix(s.origins[name], "environment ")
}
