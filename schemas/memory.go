package schemas

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Memory is a Registry in the process, with compatibility checks. It is safe for concurrent use.
// The same schema has the same id under every subject; ids and versions are never given twice.
type Memory struct {
	mu       sync.RWMutex
	level    string
	ids      map[string]int32 // by text
	texts    map[int32]string
	subjects map[string]*memorySubject
}

// Version is a schema under a subject.
type Version struct {
	Subject string `json:"subject"`
	Number  int    `json:"version"` // 1, 2, …
	ID      int32  `json:"id"`
	Schema  string `json:"schema"`
}

// memorySubject is a subject, its level ("" for the registry's) and its versions, oldest first.
type memorySubject struct {
	level    string
	last     int // the highest number ever given
	versions []Version
}

// NewMemory returns an empty registry at DefaultLevel.
func NewMemory() *Memory {
	return &Memory{
		level:    DefaultLevel,
		ids:      make(map[string]int32),
		texts:    make(map[int32]string),
		subjects: make(map[string]*memorySubject),
	}
}

// Register implements Registry.
func (m *Memory) Register(_ context.Context, subject, schema string) (int32, error) {
	_, text, err := parse(schema)
	if err != nil {
		return 0, fmt.Errorf("register under subject %s: %w", subject, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, ok := m.find(subject, text); ok {
		return found.ID, nil
	}
	reasons, err := m.check(subject, text, m.versions(subject))
	if err != nil {
		return 0, fmt.Errorf("register under subject %s: %w", subject, err)
	}
	if len(reasons) > 0 {
		return 0, &IncompatibleError{Subject: subject, Reason: strings.Join(reasons, "; ")}
	}
	s := m.subjects[subject]
	if s == nil {
		s = new(memorySubject)
		m.subjects[subject] = s
	}
	id, ok := m.ids[text]
	if !ok {
		id = int32(len(m.ids) + 1)
		m.ids[text], m.texts[id] = id, text
	}
	s.last++
	s.versions = append(s.versions,
		Version{Subject: subject, Number: s.last, ID: id, Schema: text})
	return id, nil
}

// Lookup implements Registry.
func (m *Memory) Lookup(_ context.Context, subject, schema string) (int32, error) {
	found, err := m.Find(subject, schema)
	return found.ID, err
}

// Schema implements Registry.
func (m *Memory) Schema(_ context.Context, id int32) (string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	text, ok := m.texts[id]
	if !ok {
		return "", fmt.Errorf("schema id %d: %w", id, ErrNotFound)
	}
	return text, nil
}

// Find returns the version of subject that is schema, or ErrNotFound.
func (m *Memory) Find(subject, schema string) (Version, error) {
	_, text, err := parse(schema)
	if err != nil {
		return Version{}, fmt.Errorf("look up under subject %s: %w", subject, err)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if found, ok := m.find(subject, text); ok {
		return found, nil
	}
	return Version{}, fmt.Errorf("schema under subject %s: %w", subject, ErrNotFound)
}

// Subjects returns the subjects that have a version, sorted.
func (m *Memory) Subjects() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	names := slices.Sorted(maps.Keys(m.subjects))
	return slices.DeleteFunc(names, func(name string) bool {
		return len(m.subjects[name].versions) == 0
	})
}

// Versions returns the versions of subject, oldest first; none when it does not exist.
func (m *Memory) Versions(subject string) []Version {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.versions(subject))
}

// Check returns why schema could not be registered under subject now; empty when it could. With
// number above 0 it is compared with that version only.
func (m *Memory) Check(subject, schema string, number int) ([]string, error) {
	_, text, err := parse(schema)
	if err != nil {
		return nil, fmt.Errorf("check for subject %s: %w", subject, err)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	before := m.versions(subject)
	if number > 0 {
		i := slices.IndexFunc(before, func(v Version) bool { return v.Number == number })
		if i < 0 {
			return nil, fmt.Errorf("version %d of subject %s: %w", number, subject, ErrNotFound)
		}
		before = before[i : i+1]
	}
	return m.check(subject, text, before)
}

// Level returns the compatibility level of subject; own is false when it is the registry's, which
// subject "" stands for.
func (m *Memory) Level(subject string) (name string, own bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if s := m.subjects[subject]; s != nil && s.level != "" {
		return s.level, true
	}
	return m.level, subject == ""
}

// SetLevel sets the compatibility level of subject, or of the registry for subject "".
func (m *Memory) SetLevel(subject, name string) error {
	if _, err := ParseLevel(name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if subject == "" {
		m.level = name
		return nil
	}
	if m.subjects[subject] == nil {
		m.subjects[subject] = new(memorySubject)
	}
	m.subjects[subject].level = name
	return nil
}

// Delete removes a subject and returns the numbers of its versions. Its ids stay readable, as data
// written with them stays.
func (m *Memory) Delete(subject string) ([]int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var numbers []int
	for _, v := range m.versions(subject) {
		numbers = append(numbers, v.Number)
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("subject %s: %w", subject, ErrNotFound)
	}
	m.subjects[subject] = &memorySubject{last: m.subjects[subject].last}
	return numbers, nil
}

// versions returns the versions of subject; m is locked.
func (m *Memory) versions(subject string) []Version {
	if s := m.subjects[subject]; s != nil {
		return s.versions
	}
	return nil
}

// find returns the version of subject with exactly this text; m is locked.
func (m *Memory) find(subject, text string) (Version, bool) {
	for _, v := range m.versions(subject) {
		if v.Schema == text {
			return v, true
		}
	}
	return Version{}, false
}

// check compares a schema with versions under subject's level; m is locked.
func (m *Memory) check(subject, next string, before []Version) ([]string, error) {
	name := m.level
	if s := m.subjects[subject]; s != nil {
		name = cmp.Or(s.level, name)
	}
	l, err := ParseLevel(name)
	if err != nil {
		return nil, err // unreachable: SetLevel and UnmarshalJSON refuse it
	}
	found, err := l.Clashes(next, before)
	if err != nil {
		return nil, err
	}
	reasons := make([]string, len(found))
	for i, c := range found {
		reasons[i] = c.String()
	}
	return reasons, nil
}

// memoryFile is a Memory as JSON.
type memoryFile struct {
	Level    string                       `json:"level"`
	Schemas  map[int32]string             `json:"schemas"`
	Subjects map[string]memoryFileSubject `json:"subjects"`
}

// memoryFileSubject is a subject as JSON; IDs stand at their version's number.
type memoryFileSubject struct {
	Level    string        `json:"level,omitempty"`
	Last     int           `json:"last"`
	Versions map[int]int32 `json:"versions"`
}

// MarshalJSON returns the whole registry as JSON.
func (m *Memory) MarshalJSON() ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	file := memoryFile{Level: m.level, Schemas: m.texts,
		Subjects: make(map[string]memoryFileSubject, len(m.subjects))}
	for name, s := range m.subjects {
		versions := make(map[int]int32, len(s.versions))
		for _, v := range s.versions {
			versions[v.Number] = v.ID
		}
		file.Subjects[name] = memoryFileSubject{Level: s.level, Last: s.last, Versions: versions}
	}
	return json.Marshal(file)
}

// UnmarshalJSON replaces the registry by what MarshalJSON returned.
func (m *Memory) UnmarshalJSON(data []byte) error {
	var file memoryFile
	if err := json.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("read registry: %w", err)
	}
	fresh := NewMemory()
	if err := fresh.SetLevel("", cmp.Or(file.Level, DefaultLevel)); err != nil {
		return fmt.Errorf("read registry: %w", err)
	}
	for id, text := range file.Schemas {
		fresh.texts[id], fresh.ids[text] = text, id
	}
	for name, saved := range file.Subjects {
		s := &memorySubject{level: saved.Level, last: saved.Last}
		for _, number := range slices.Sorted(maps.Keys(saved.Versions)) {
			id := saved.Versions[number]
			_, text, err := parse(file.Schemas[id])
			if err != nil {
				return fmt.Errorf("read registry: subject %s, schema id %d: %w", name, id, err)
			}
			s.versions = append(s.versions,
				Version{Subject: name, Number: number, ID: id, Schema: text})
		}
		if _, err := ParseLevel(cmp.Or(s.level, DefaultLevel)); err != nil {
			return fmt.Errorf("read registry: subject %s: %w", name, err)
		}
		fresh.subjects[name] = s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.level, m.ids, m.texts, m.subjects = fresh.level, fresh.ids, fresh.texts, fresh.subjects
	return nil
}
