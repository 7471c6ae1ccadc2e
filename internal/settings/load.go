package settings

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/v2"
)

// Sources says where to look for values.
type Sources struct {
	File    string   // path of the YAML file; empty for none
	Environ []string // NAME=value pairs, as os.Environ gives them
	Sets    []string // key=value pairs of --set, in order; the last of a key counts
	Flags   []Flag   // flags of their own, which win over --set
}

// Settings are merged values and where each came from.
type Settings struct {
	table   []Setting
	index   map[string]int
	values  *koanf.Koanf
	origins map[string]string
	notices []string
}

// Load reads and merges all sources. With an error, of type Faults, the settings hold all values
// that were good, so that further checks can add what else is wrong.
func Load(src Sources) (*Settings, error) {
	s := &Settings{table: Table(), index: map[string]int{}, origins: map[string]string{},
		values: koanf.New(".")}
	defaults := map[string]string{}
	for i, set := range s.table {
		s.index[set.Name] = i
		s.origins[set.Name] = "default"
		defaults[set.Name] = set.Default
	}
	if err := s.values.Load(layer(defaults), nil); err != nil {
		return nil, fmt.Errorf("merge the default settings: %w", err)
	}
	environ := environMap(src.Environ)
	var faults Faults
	merge := func(entries []entry, bad Faults, repeat bool) error {
		faults = append(faults, bad...)
		good, bad := s.accept(entries, repeat)
		faults = append(faults, bad...)
		return s.values.Load(layer(good), nil)
	}
	if src.File != "" {
		entries, bad := readFile(src.File, environ)
		if err := merge(entries, bad, false); err != nil {
			return nil, fmt.Errorf("merge settings of file %s: %w", src.File, err)
		}
	}
	entries, bad := readEnviron(environ, s.table)
	if err := merge(entries, bad, false); err != nil {
		return nil, fmt.Errorf("merge settings of the environment: %w", err)
	}
	entries, bad = readFlags(src.Sets, src.Flags)
	if err := merge(entries, bad, true); err != nil {
		return nil, fmt.Errorf("merge settings of the flags: %w", err)
	}
	return s, faults.err()
}

// layer is a koanf provider of dotted keys.
type layer map[string]string

// ReadBytes is part of koanf's interface; a layer has no bytes.
func (layer) ReadBytes() ([]byte, error) {
	return nil, fmt.Errorf("read settings as bytes: a layer has values only; use Read")
}

// Read gives the nested maps that koanf merges.
func (l layer) Read() (map[string]any, error) {
	flat := make(map[string]any, len(l))
	for k, v := range l {
		flat[k] = v
	}
	return maps.Unflatten(flat, "."), nil
}

const millis = ".ms"

// accept keeps the entries that name a setting and give it a value of its kind. Within one source
// a key may stand once, unless repeat says that the last one counts.
func (s *Settings) accept(entries []entry, repeat bool) (map[string]string, Faults) {
	good := map[string]string{}
	seen := map[string]string{}
	var faults Faults
	for _, e := range entries {
		set, value, err := s.resolve(e)
		if err == nil {
			if first, twice := seen[set.Name]; twice && !repeat {
				err = fmt.Errorf("is given twice, also %s; keep one", first)
			}
			seen[set.Name] = e.source
		}
		if err == nil {
			err = set.kind.check(value)
		}
		if err != nil {
			set.Name = e.key
			faults = append(faults, &Fault{Key: e.key, Value: mask(set, e.value),
				Source: e.source, What: err.Error()})
			continue
		}
		good[set.Name] = value
		s.origins[set.Name] = e.source
	}
	return good, faults
}

// resolve finds the setting that e names, and reads Kafka's spelling in milliseconds as ours.
func (s *Settings) resolve(e entry) (Setting, string, error) {
	if set, ok := s.lookup(e.key); ok {
		if _, free := set.kind.(text); free {
			return set, e.value, nil // spaces may belong to a password
		}
		return set, strings.TrimSpace(e.value), nil
	}
	base, isMillis := strings.CutSuffix(e.key, millis)
	set, ok := s.lookup(base)
	if _, timed := set.kind.(duration); !isMillis || !ok || !timed {
		known := make([]string, len(s.table))
		for i, set := range s.table {
			known[i] = set.Name
		}
		return Setting{}, "", fmt.Errorf("no such setting; the nearest is %s",
			Nearest(e.key, known))
	}
	n, err := strconv.ParseInt(strings.TrimSpace(e.value), 10, 64)
	if err != nil {
		return Setting{}, "", fmt.Errorf("is not a number of milliseconds; write %s: 100ms", base)
	}
	value := strconv.FormatInt(n, 10) + "ms"
	s.notices = append(s.notices, fmt.Sprintf("%s=%s (from %s): read as %s=%s; write it so",
		e.key, e.value, e.source, base, value))
	return set, value, nil
}

func (s *Settings) lookup(name string) (Setting, bool) {
	i, ok := s.index[name]
	if !ok {
		return Setting{}, false
	}
	return s.table[i], true
}

// raw is the value as it was written, and its source.
func (s *Settings) raw(set Setting) (value, source string) {
	return s.values.String(set.Name), s.origins[set.Name]
}
