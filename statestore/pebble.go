package statestore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Env is what the stores of one process share.
type Env struct {
	fs    vfs.FS
	cache *pebble.Cache
	fail  func(error)
}

// NewEnv makes a block cache of the given size in bytes for all stores opened through it. fail is
// told of a disk fault after which the process must not go on: Pebble cannot tell any longer what
// is on disk. A nil files is the machine's file system.
func NewEnv(files vfs.FS, cacheBytes int64, fail func(error)) *Env {
	if files == nil {
		files = vfs.Default
	}
	return &Env{fs: files, cache: pebble.NewCache(cacheBytes), fail: fail}
}

// Close gives the cache back; all stores must be closed before.
func (e *Env) Close() { e.cache.Unref() }

// Pebble is a Store on disk. Its write-ahead log is off, because the changelog is one: a crash
// falls back to the last flushed prefix of epochs, never to a torn one.
type Pebble struct {
	db      *pebble.DB
	dir     string
	options *pebble.Options
	mark    Mark
	health  *health
}

// health is what Pebble's background work told of one store.
type health struct {
	running atomic.Bool // damage met before is for OpenPebble to report
	once    sync.Once
	failed  chan struct{} // closed at the first error
	err     error         // set before
}

func (h *health) fail(err error) {
	h.once.Do(func() {
		h.err = err
		close(h.failed)
	})
}

// OpenPebble opens or creates the store in dir. CorruptError says that the files are damaged and
// the store must be restored from elsewhere.
func (e *Env) OpenPebble(dir string) (*Pebble, error) { return e.open(dir, false) }

// open opens the store in dir. What a store that is only read meets of damage is its reader's
// affair, not the process's.
func (e *Env) open(dir string, readOnly bool) (*Pebble, error) {
	if _, err := e.fs.Stat(e.fs.PathJoin(dir, damageNote)); err == nil {
		return nil, &CorruptError{Dir: dir, Err: errors.New("damage was met while it was in use")}
	}
	h := &health{failed: make(chan struct{})}
	options := e.options(dir, h)
	if options.ReadOnly = readOnly; !readOnly {
		if err := removeFile(e.fs, e.fs.PathJoin(dir, loadFile)); err != nil {
			return nil, fmt.Errorf("open state store %s: %w", dir, err)
		}
	}
	db, err := pebble.Open(dir, options)
	if err != nil {
		if damaged(err) {
			return nil, &CorruptError{Dir: dir, Err: err}
		}
		return nil, fmt.Errorf("open state store %s: %w", dir, err)
	}
	s := &Pebble{db: db, dir: dir, options: options, health: h}
	v, ok, err := s.Get(markKey)
	if err != nil && !damaged(err) {
		return nil, errors.Join(fmt.Errorf("open state store %s: %w", dir, err), db.Close())
	}
	if err == nil && ok {
		s.mark, err = decodeMark(v)
	}
	if err != nil {
		return nil, errors.Join(&CorruptError{Dir: dir, Err: err}, db.Close())
	}
	h.running.Store(!readOnly)
	return s, nil
}

// Remove deletes the store in dir, which must be closed; without one it does nothing.
func (e *Env) Remove(dir string) error {
	if err := e.fs.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove state store %s: %w", dir, err)
	}
	return nil
}

// damageNote is a file left in a store that turned out to be damaged while it was in use: the next
// open says so, before that damage is met again.
const damageNote = "DAMAGED"

// damage leaves the note and ends the process: the restart rebuilds the store.
func (e *Env) damage(dir string, cause error) {
	var err error = &CorruptError{Dir: dir, Err: cause}
	f, noteErr := e.fs.Create(e.fs.PathJoin(dir, damageNote), vfs.WriteCategoryUnspecified)
	if noteErr == nil {
		noteErr = f.Close()
	}
	err = errors.Join(err, noteErr)
	e.fail(fmt.Errorf("%w; restart, and it is restored from the changelog", err))
}

// CorruptError says that a store's files are damaged. The mend is to delete Dir and restore.
type CorruptError struct {
	Dir string
	Err error
}

// Error names the folder and the damage.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("state store %s is damaged: %v", e.Dir, e.Err)
}

// Unwrap gives Pebble's error.
func (e *CorruptError) Unwrap() error { return e.Err }

// damaged tells broken content from a disk that refuses: the first is mended by restoring.
func damaged(err error) bool {
	var refused syscall.Errno
	if errors.As(err, &refused) && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "MANIFEST") || strings.Contains(text, "marker")
}

func (e *Env) options(dir string, h *health) *pebble.Options {
	o := &pebble.Options{
		FS:                    e.fs,
		Cache:                 e.cache,
		DisableWAL:            true,
		FormatMajorVersion:    pebble.FormatNewest,
		MemTableSize:          8 << 20,
		L0CompactionThreshold: 4,
		L0StopWritesThreshold: 24,
		Logger:                fatalLogger{fail: e.fail, dir: dir},
	}
	o.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) {
			if pebble.IsCorruptionError(err) {
				return // DataCorruption is told as well
			}
			h.fail(err)
			e.fail(fmt.Errorf("state store %s: %w; free space or mend the disk, then restart", dir,
				err))
		},
		// Without this Pebble ends the process, and each restart would meet the same damage.
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			if h.running.Load() {
				e.damage(dir, i.Details)
			}
		},
	}
	// A table that was added is on disk, not in a queue behind the memtable that a crash loses.
	o.Experimental.DisableIngestAsFlushable = func() bool { return true }
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	o.EnsureDefaults()
	return o
}

// fatalLogger turns Pebble's fatal errors into the process's end: its database can't be closed
// after one, and Fatalf must not return.
type fatalLogger struct {
	fail func(error)
	dir  string
}

func (l fatalLogger) Infof(string, ...any)  {}
func (l fatalLogger) Errorf(string, ...any) {}
func (l fatalLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("state store %s: %s", l.dir, fmt.Sprintf(format, args...))
	l.fail(err)
	panic(err)
}

// Get implements Store.
func (s *Pebble) Get(key []byte) ([]byte, bool, error) { return get(s.db, key) }

func get(r pebble.Reader, key []byte) ([]byte, bool, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read state key %x: %w", key, err)
	}
	v = slices.Clone(v)
	return v, true, closer.Close()
}

// Scan implements Store.
func (s *Pebble) Scan(from, to []byte, fn func(key, value []byte) bool) error {
	return scan(s.db, from, to, fn)
}

func scan(r pebble.Reader, from, to []byte, fn func(key, value []byte) bool) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("scan state from %x: %w", from, err)
	}
	for ok := it.First(); ok && fn(it.Key(), it.Value()); ok = it.Next() {
	}
	return errors.Join(it.Error(), it.Close())
}

// pebbleView is a Pebble at one moment.
type pebbleView struct{ snapshot *pebble.Snapshot }

func (s *Pebble) view() reader { return pebbleView{s.db.NewSnapshot()} }

// Get implements reader.
func (v pebbleView) Get(key []byte) ([]byte, bool, error) { return get(v.snapshot, key) }

// Scan implements reader.
func (v pebbleView) Scan(from, to []byte, fn func(key, value []byte) bool) error {
	return scan(v.snapshot, from, to, fn)
}

// Close implements reader.
func (v pebbleView) Close() error { return v.snapshot.Close() }

// Apply implements Store. Sorted keys save the memtable most of its comparisons.
func (s *Pebble) Apply(changes []Change, m Mark) error {
	slices.SortFunc(changes, func(a, b Change) int { return bytes.Compare(a.Key, b.Key) })
	size := len(m.Position) + 64
	for _, c := range changes {
		size += len(c.Key) + len(c.Value) + 16
	}
	b := s.db.NewBatchWithSize(size)
	defer b.Close()
	var err error
	for _, c := range changes {
		if c.Value == nil {
			err = b.Delete(c.Key, nil)
		} else {
			err = b.Set(c.Key, c.Value, nil)
		}
		if err != nil {
			return fmt.Errorf("collect state change: %w", err)
		}
	}
	if err := b.Set(markKey, m.encode(), nil); err != nil {
		return fmt.Errorf("collect state position: %w", err)
	}
	if err := s.db.Apply(b, pebble.NoSync); err != nil {
		return fmt.Errorf("apply state changes: %w", err)
	}
	s.mark = m
	return nil
}

// Mark implements Store.
func (s *Pebble) Mark() Mark { return s.mark }

// Flush implements Store. Pebble would try again for ever on a disk that refuses.
func (s *Pebble) Flush() error {
	done, err := s.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flush state store: %w", err)
	}
	select {
	case <-done:
		return nil
	case <-s.health.failed:
		return fmt.Errorf("flush state store: %w", s.health.err)
	}
}

// Close implements Store.
func (s *Pebble) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close state store: %w", err)
	}
	return nil
}
