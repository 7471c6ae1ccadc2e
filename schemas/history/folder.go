package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pawl/schemas"
)

// Folder is a Source of golden files, to be kept in a repository: version n of a subject is
// SUBJECT/n.avsc, and its level, if it has its own, stands in SUBJECT/level; the level of all
// others in the file level, else it is schemas.DefaultLevel.
type Folder struct{ dir string }

// OpenFolder returns the Folder at dir, which must exist.
func OpenFolder(dir string) (*Folder, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open golden schemas: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open golden schemas: %s is no folder", dir)
	}
	return &Folder{dir: dir}, nil
}

// levelFile holds a level; versionEnd ends the names of versions.
const (
	levelFile  = "level"
	versionEnd = ".avsc"
)

// path is the folder of a subject.
func (f *Folder) path(subject string) (string, error) {
	name := url.PathEscape(subject)
	if name == "" || name == "." || name == ".." || name == levelFile {
		return "", fmt.Errorf("subject %q cannot be kept in a folder", subject)
	}
	return filepath.Join(f.dir, name), nil
}

// Subjects returns the subjects that have a version, sorted.
func (f *Folder) Subjects(ctx context.Context) ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("list golden schemas: %w", err)
	}
	var names []string
	for _, e := range entries {
		subject, err := url.PathUnescape(e.Name())
		if err != nil || !e.IsDir() {
			continue
		}
		versions, err := f.Versions(ctx, subject)
		if err != nil {
			return nil, err
		}
		if len(versions) > 0 {
			names = append(names, subject)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Versions implements Source. The id of a version is its number.
func (f *Folder) Versions(_ context.Context, subject string) ([]schemas.Version, error) {
	dir, err := f.path(subject)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list golden schemas of %s: %w", subject, err)
	}
	var all []schemas.Version
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), versionEnd)
		if !ok {
			continue
		}
		number, err := strconv.ParseInt(name, 10, 32)
		if err != nil || number < 1 {
			return nil, fmt.Errorf("golden schema %s: its name is no version; call it 1.avsc, "+
				"2.avsc and so on", filepath.Join(dir, e.Name()))
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read golden schema: %w", err)
		}
		if _, err := schemas.Parse(string(text)); err != nil {
			return nil, fmt.Errorf("golden schema %s: %w", filepath.Join(dir, e.Name()), err)
		}
		all = append(all, schemas.Version{Subject: subject, Number: int(number), ID: int32(number),
			Schema: string(text)})
	}
	slices.SortFunc(all, func(a, b schemas.Version) int { return a.Number - b.Number })
	return all, nil
}

// Level implements Source.
func (f *Folder) Level(_ context.Context, subject string) (name string, own bool, err error) {
	dir, err := f.path(subject)
	if err != nil {
		return "", false, err
	}
	if name, err = readLevel(filepath.Join(dir, levelFile)); err != nil || name != "" {
		return name, name != "", err
	}
	if name, err = readLevel(filepath.Join(f.dir, levelFile)); err != nil || name != "" {
		return name, false, err
	}
	return schemas.DefaultLevel, false, nil
}

func readLevel(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read compatibility level: %w", err)
	}
	name := strings.TrimSpace(string(text))
	if _, err := schemas.ParseLevel(name); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return name, nil
}

// Add writes schema as the next version of subject and returns it.
func (f *Folder) Add(ctx context.Context, subject, schema string) (schemas.Version, error) {
	all, err := f.Versions(ctx, subject)
	if err != nil {
		return schemas.Version{}, err
	}
	v := schemas.Version{Subject: subject, Number: 1, Schema: schema}
	if n := len(all); n > 0 {
		v.Number = all[n-1].Number + 1
	}
	v.ID = int32(v.Number)
	dir, err := f.path(subject)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	var text bytes.Buffer
	if err == nil {
		err = json.Indent(&text, []byte(schema), "", "  ")
	}
	if err == nil {
		path := filepath.Join(dir, strconv.Itoa(v.Number)+versionEnd)
		err = os.WriteFile(path, append(text.Bytes(), '\n'), 0o644)
	}
	if err != nil {
		return schemas.Version{}, fmt.Errorf("write golden schema of %s: %w", subject, err)
	}
	return v, nil
}
