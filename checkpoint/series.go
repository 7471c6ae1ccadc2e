package checkpoint

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Series are the checkpoints of one task.
type Series struct {
	target      Target
	application string
	task        string
}

// kinds of keys.
const (
	manifests = "manifests"
	objects   = "objects"
	retired   = "retired"
	verified  = "verified"
	clocks    = "clocks"
)

// readers is how many manifests are read at once.
const readers = 8

// manifestMax bounds what is read of a manifest, in bytes.
const manifestMax = 64 << 20

// NewSeries gives the checkpoints of a task, of which there may be none.
func NewSeries(t Target, application, task string) (*Series, error) {
	for _, name := range []string{application, task} {
		if !validPart(name) {
			return nil, fmt.Errorf("checkpoints of %q, task %q: a name has letters, digits and "+
				"._- only", application, task)
		}
	}
	return &Series{target: t, application: application, task: task}, nil
}

// Find gives the tasks that have checkpoints, by application and name.
func Find(ctx context.Context, t Target) ([]*Series, error) {
	var all []*Series
	found := make(map[[2]string]bool)
	err := t.List(ctx, manifests+"/", func(o Object) error {
		parts := strings.Split(o.Key, "/")
		if len(parts) != 4 || found[[2]string(parts[1:3])] {
			return nil
		}
		found[[2]string(parts[1:3])] = true
		s, err := NewSeries(t, parts[1], parts[2])
		if err == nil {
			all = append(all, s)
		}
		return nil // whatever else lies there is not ours
	})
	if err != nil {
		return nil, fmt.Errorf("find checkpoints: %w", err)
	}
	slices.SortFunc(all, func(a, b *Series) int {
		return cmp.Or(cmp.Compare(a.application, b.application), cmp.Compare(a.task, b.task))
	})
	return all, nil
}

// Application is whose task it is.
func (s *Series) Application() string { return s.application }

// Task is the task's name.
func (s *Series) Task() string { return s.task }

// String names the series in messages.
func (s *Series) String() string { return s.application + "/" + s.task }

func (s *Series) key(kind, name string) string {
	return kind + "/" + s.application + "/" + s.task + "/" + name
}

// names lists what there is of a kind, by the key's last part.
func (s *Series) names(ctx context.Context, kind string) (map[string]Object, error) {
	all := make(map[string]Object)
	prefix := s.key(kind, "")
	err := s.target.List(ctx, prefix, func(o Object) error {
		all[strings.TrimPrefix(o.Key, prefix)] = o
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s of %s: %w", kind, s, err)
	}
	return all, nil
}

// validID says whether a name is one of a manifest.
func validID(name string) bool {
	parts := strings.Split(name, "-")
	if len(parts) != 3 || len(parts[0]) != 19 || len(parts[1]) != 19 || len(parts[2]) != 8 {
		return false
	}
	return strings.Trim(parts[0]+parts[1], "0123456789") == "" &&
		strings.Trim(parts[2], "0123456789abcdef") == ""
}

// now asks the Target for its time: clocks of machines differ, and it alone dates the objects.
func (s *Series) now(ctx context.Context) (time.Time, error) {
	name := nonce()
	key := s.key(clocks, name)
	err := s.target.Put(ctx, key, strings.NewReader(""), false)
	var at time.Time
	if err == nil {
		err = s.target.List(ctx, key, func(o Object) error {
			at = o.Time
			return nil
		})
	}
	if err == nil && at.IsZero() {
		err = errors.New("it was written and is not listed with its time")
	}
	if err == nil {
		err = s.target.Delete(ctx, key)
	}
	if err != nil {
		return at, fmt.Errorf("ask for the time of the checkpoint storage: %w", err)
	}
	return at, nil
}

// nonce is a name that nobody has used.
func nonce() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// DamagedError says that a part of a checkpoint is missing or not what was written.
type DamagedError struct {
	Series string
	ID     string
	Key    string // of the object
	File   string // of the store; "" for the manifest itself
	Reason string
}

// Error names the part.
func (e *DamagedError) Error() string {
	file := ""
	if e.File != "" {
		file = " (file " + e.File + ")"
	}
	return fmt.Sprintf("checkpoint %s %s: %s%s: %s", e.Series, e.ID, e.Key, file, e.Reason)
}

func (s *Series) damaged(id string, f File, format string, args ...any) *DamagedError {
	e := &DamagedError{Series: s.String(), ID: id, Key: s.key(objects, f.Object), File: f.Name,
		Reason: fmt.Sprintf(format, args...)}
	if f.Object == "" {
		e.Key = s.key(manifests, id)
	}
	return e
}

// Manifest reads one checkpoint's manifest. The error is a DamagedError, a VersionError, or
// fs.ErrNotExist.
func (s *Series) Manifest(ctx context.Context, id string) (*Manifest, error) {
	b, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	m, err := decode(b)
	var version *VersionError
	switch {
	case errors.As(err, &version):
		return nil, fmt.Errorf("checkpoint %s %s: %w", s, id, err)
	case err != nil:
		return nil, s.damaged(id, File{}, "%v", err)
	case m.ID != id || m.Application != s.application || m.Task != s.task:
		return nil, s.damaged(id, File{}, "it is the manifest of %s/%s %s", m.Application, m.Task,
			m.ID)
	}
	return m, s.unlock(ctx, m)
}

// unlock opens an encrypted manifest. One whose key is not to be had stays locked, and is no
// damaged one.
func (s *Series) unlock(ctx context.Context, m *Manifest) error {
	e := m.Encryption
	if e == nil {
		return nil
	}
	seal, err := s.target.Vault().unwrap(ctx, e.Keeper, e.Wrapped)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("checkpoint %s %s: %w", s, m.ID, err)
		}
		m.locked = &KeyError{Series: s.String(), ID: m.ID, Keeper: e.Keeper, Reason: err}
		return nil
	}
	if err := seal.open(s.key(manifests, m.ID), m); err != nil {
		return s.damaged(m.ID, File{}, "%v", err)
	}
	if err := m.check(); err != nil {
		return s.damaged(m.ID, File{}, "%v", err)
	}
	return nil
}

// content reads a file's bytes from its object's, of an unlocked checkpoint.
func (s *Series) content(ctx context.Context, t *transfer, m *Manifest, f File, r io.Reader) (
	io.Reader, error) {
	if m.seal != nil && f.Size > 0 { // nothing encrypted is nothing, too
		var err error
		if r, err = m.seal.decrypt(s.key(objects, f.Object), r); err != nil {
			return nil, fmt.Errorf("decrypt %s: %w", f.Object, err)
		}
	}
	return t.checked(ctx, r, f.Size, f.SHA256), nil
}

func (s *Series) read(ctx context.Context, id string) ([]byte, error) {
	r, err := s.target.Open(ctx, s.key(manifests, id))
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s %s: %w", s, id, err)
	}
	b, err := io.ReadAll(io.LimitReader(r, manifestMax))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read checkpoint %s %s: %w", s, id, err)
	}
	return b, nil
}

// Entry is one checkpoint of a list.
type Entry struct {
	ID       string
	Manifest *Manifest // nil when it is damaged
	Fault    error     // then; also when objects are missing
	Written  time.Time // by the Target's clock
	Retired  bool      // it is deleted when the grace is over
	Verified bool      // every object was once read back
}

// Complete says that manifest and objects are all there, in their sizes; Verify reads them.
func (e *Entry) Complete() bool { return e.Fault == nil }

// List gives the task's checkpoints, the newest first.
func (s *Series) List(ctx context.Context) ([]Entry, error) {
	entries, err := s.entries(ctx)
	if err != nil {
		return nil, err
	}
	// Objects after manifests: a checkpoint that is being made does not look broken.
	have, err := s.names(ctx, objects)
	if err != nil {
		return nil, err
	}
	entries, _, err = s.readAll(ctx, entries, have)
	return entries, err
}

// entries lists the manifests, unread, the newest first; those of the changelog that was written
// for last come before those of earlier ones.
func (s *Series) entries(ctx context.Context) ([]Entry, error) {
	names, err := s.names(ctx, manifests)
	if err != nil {
		return nil, err
	}
	gone, err := s.names(ctx, retired)
	if err != nil {
		return nil, err
	}
	good, err := s.names(ctx, verified)
	if err != nil {
		return nil, err
	}
	var all []Entry
	lines := make(map[string]time.Time)
	for id, o := range names {
		if !validID(id) {
			continue
		}
		_, isRetired := gone[id]
		_, isVerified := good[id]
		all = append(all, Entry{ID: id, Written: o.Time, Retired: isRetired, Verified: isVerified})
		if line := lineOf(id); o.Time.After(lines[line]) {
			lines[line] = o.Time
		}
	}
	slices.SortFunc(all, func(a, b Entry) int {
		la, lb := lineOf(a.ID), lineOf(b.ID)
		if la != lb {
			return cmp.Or(lines[lb].Compare(lines[la]), cmp.Compare(lb, la))
		}
		return cmp.Compare(b.ID, a.ID)
	})
	return all, nil
}

// readAll reads the manifests of entries, and drops those that were deleted meanwhile.
func (s *Series) readAll(ctx context.Context, entries []Entry, have map[string]Object) (
	left []Entry, dropped int, err error) {
	at := make([]*Entry, len(entries))
	for i := range entries {
		at[i] = &entries[i]
	}
	err = each(ctx, readers, at, func(ctx context.Context, e *Entry) error {
		return s.fill(ctx, e, have)
	})
	if err != nil {
		return nil, 0, err
	}
	left = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		return errors.Is(e.Fault, fs.ErrNotExist)
	})
	return left, len(entries) - len(left), nil
}

// fill reads an entry's manifest and compares it with the objects there are. What is wrong with
// the checkpoint is the entry's Fault; an error says that it could not be found out.
func (s *Series) fill(ctx context.Context, e *Entry, have map[string]Object) error {
	m, err := s.Manifest(ctx, e.ID)
	var damage *DamagedError
	var version *VersionError
	if errors.As(err, &damage) || errors.As(err, &version) || errors.Is(err, fs.ErrNotExist) {
		e.Fault = err
		return nil
	}
	if err != nil {
		return err
	}
	e.Manifest = m
	for _, f := range m.Files {
		o, ok := have[f.Object]
		switch {
		case !ok:
			e.Fault = s.damaged(e.ID, f, "it is missing")
		case o.Size != m.size(f):
			e.Fault = s.damaged(e.ID, f, "it has %d bytes, not %d", o.Size, m.size(f))
		}
		if e.Fault != nil {
			return nil
		}
	}
	return nil
}

// Skipped is a checkpoint that cannot be used, and why.
type Skipped struct {
	ID     string
	Reason error
}

// ErrNone says that a task has no checkpoint that can be used.
var ErrNone = errors.New("there is no checkpoint that can be used")

// Latest gives the newest checkpoint that is complete and that usable accepts, and those it passed
// over. Without one the error is ErrNone, or the KeyError of the newest when that is all that is
// in the way. A nil usable accepts all.
func (s *Series) Latest(ctx context.Context, usable func(*Manifest) error) (*Manifest, []Skipped,
	error) {
	entries, err := s.entries(ctx)
	if err != nil {
		return nil, nil, err
	}
	var have map[string]Object
	if len(entries) > 0 {
		if have, err = s.names(ctx, objects); err != nil {
			return nil, nil, err
		}
	}
	var skipped []Skipped
	var locked error
	for i := range entries {
		e := &entries[i]
		if err := s.fill(ctx, e, have); err != nil {
			return nil, skipped, err
		}
		switch {
		case e.Fault != nil:
		case e.Manifest.locked != nil:
			e.Fault = e.Manifest.locked
			locked = cmp.Or(locked, e.Fault)
		case usable != nil:
			e.Fault = usable(e.Manifest)
		}
		if e.Fault == nil {
			return e.Manifest, skipped, nil
		}
		skipped = append(skipped, Skipped{ID: e.ID, Reason: e.Fault})
	}
	if locked != nil {
		return nil, skipped, locked
	}
	return nil, skipped, fmt.Errorf("checkpoints of %s: %w", s, ErrNone)
}
