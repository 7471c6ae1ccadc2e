package checkpoint

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Writer uploads checkpoints of one task. It remembers the sums of files, so it should live as
// long as the store: a file that did not change is read once.
type Writer struct {
	series *Series
	grace  time.Duration
	limits Limits

	mu   sync.Mutex // for one Write at a time
	seal *seal      // the data key of the last one; nil when nothing is encrypted
	sums map[string]summed
}

// summed is a file whose content is known.
type summed struct {
	info fs.FileInfo
	file File
}

// NewWriter makes a Writer. The policy's grace is what Prune must wait for it.
func NewWriter(s *Series, p Policy, l Limits) *Writer {
	p.EnsureDefaults()
	l.EnsureDefaults()
	return &Writer{series: s, grace: p.Grace, limits: l, sums: make(map[string]summed)}
}

// Written is what a Write did.
type Written struct {
	Manifest *Manifest
	Existed  bool  // there was one of the same position already: Manifest is that
	Objects  int   // uploaded; the manifest names more when files did not change
	Bytes    int64 // of them
}

// SupersededError says that there is a checkpoint of a later position: whoever asked for this one
// has lost the task to another owner, or comes late.
type SupersededError struct {
	Series    string
	ID, Newer string
}

// Error names both.
func (e *SupersededError) Error() string {
	return fmt.Sprintf("checkpoint %s %s is not written: %s is newer", e.Series, e.ID, e.Newer)
}

// Write uploads the store's copy in dir, which statestore's Checkpoint made, and then its manifest.
// What an earlier Write that failed has uploaded is used again. dir is the caller's to remove.
// A Write that takes longer than a quarter of the grace fails, for Prune would not wait for it.
func (w *Writer) Write(ctx context.Context, dir string, d Description, told Progress) (Written,
	error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	limit := w.grace / 4
	timed, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %v, a "+
		"quarter of checkpoint.grace=%v; raise that, or bandwidth and parallelism", limit, w.grace))
	defer cancel()
	written, err := w.write(timed, dir, d, told)
	if err != nil && timed.Err() != nil && ctx.Err() == nil {
		err = errors.Join(context.Cause(timed), err)
	}
	if err != nil {
		return Written{}, fmt.Errorf("write checkpoint of %s: %w", w.series, err)
	}
	return written, nil
}

func (w *Writer) write(ctx context.Context, dir string, d Description, told Progress) (Written,
	error) {
	id, err := d.id()
	if err != nil {
		return Written{}, err
	}
	if d.Application != w.series.application || d.Task != w.series.task {
		return Written{}, fmt.Errorf("it is one of %s/%s", d.Application, d.Task)
	}
	m := &Manifest{ID: id, Description: d, GraceSeconds: int64(w.grace / time.Second)}
	known, err := w.known(ctx, m)
	if err != nil || known.existing != nil {
		return Written{Manifest: known.existing, Existed: true}, err
	}
	if m.Files, err = w.files(ctx, dir); err != nil {
		return Written{}, err
	}
	if m.seal, err = w.dataKey(ctx, known); err != nil {
		return Written{}, err
	}
	missing, err := known.assign(m)
	if err != nil {
		return Written{}, err
	}
	written := Written{Manifest: m, Objects: len(missing)}
	for _, f := range missing {
		written.Bytes += f.Size
	}
	t := newTransfer(w.limits, written.Bytes, told)
	err = each(ctx, t.slots, missing, func(ctx context.Context, f *File) error {
		return w.upload(ctx, t, dir, m.seal, f)
	})
	if err != nil {
		return Written{}, err
	}
	written.Existed, err = w.publish(ctx, m, known.at)
	return written, err
}

// known is what a Writer builds on.
type known struct {
	at       time.Time         // by the Target's clock, before anything was looked at
	existing *Manifest         // of the very position
	objects  map[string]Object // that may be used again, by what their names begin with
	seal     *seal             // of the checkpoint that is built on
}

// dataKey goes on with the data key that the files before were encrypted with, so that those which
// did not change are not uploaded again; another first key in the settings begins another one.
func (w *Writer) dataKey(ctx context.Context, k known) (*seal, error) {
	v := w.series.target.Vault()
	switch {
	case v == nil:
		return nil, nil
	case v.current(k.seal):
		w.seal = k.seal
	case !v.current(w.seal):
		var err error
		if w.seal, err = v.fresh(ctx); err != nil {
			return nil, err
		}
	}
	return w.seal, nil
}

// known asks for the time first: what is decided here holds for a quarter of the grace from then.
func (w *Writer) known(ctx context.Context, m *Manifest) (known, error) {
	s := w.series
	k := known{objects: make(map[string]Object)}
	var err error
	if k.at, err = s.now(ctx); err != nil {
		return k, err
	}
	entries, err := s.entries(ctx)
	if err != nil {
		return k, err
	}
	// After the manifests, or one that another owner publishes just now would look broken.
	have, err := s.names(ctx, objects)
	if err != nil {
		return k, err
	}
	for _, o := range have {
		if o.Time.After(k.at.Add(-w.grace / 2)) {
			k.add(o)
		}
	}
	for i := range entries {
		e := &entries[i]
		if lineOf(e.ID) != lineOf(m.ID) {
			continue
		}
		if e.ID > m.ID {
			return k, &SupersededError{Series: s.String(), ID: m.ID, Newer: e.ID}
		}
		if err := s.fill(ctx, e, have); err != nil {
			return k, err
		}
		switch {
		case e.Fault == nil && e.ID == m.ID:
			k.existing = e.Manifest
			return k, nil
		case e.ID == m.ID && errors.As(e.Fault, new(*VersionError)):
			return k, e.Fault // whoever wrote it can use it
		case e.ID == m.ID && !errors.Is(e.Fault, fs.ErrNotExist):
			// Nobody can use it, and this one takes its place.
			if err := s.target.Delete(ctx, s.key(manifests, e.ID)); err != nil {
				return k, fmt.Errorf("remove damaged checkpoint %s: %w", e.ID, err)
			}
		case e.Manifest != nil && !e.Retired:
			for _, f := range e.Manifest.Files {
				if o, ok := have[f.Object]; ok && o.Size == e.Manifest.size(f) {
					k.add(o)
				}
			}
			k.seal = e.Manifest.seal
			return k, nil // the next older one shares little more
		}
	}
	return k, nil
}

func (k *known) add(o Object) {
	name := o.Key[strings.LastIndexByte(o.Key, '/')+1:]
	if sum, _, ok := strings.Cut(name, "-"); ok && len(sum) == 2*sha256.Size {
		k.objects[sum] = o
	}
}

// assign gives every file its object, and those files that have to be uploaded to get one.
func (k *known) assign(m *Manifest) ([]*File, error) {
	var missing []*File
	for i := range m.Files {
		f := &m.Files[i]
		label, err := m.label(*f)
		if err != nil {
			return nil, err
		}
		o, ok := k.objects[label]
		if ok && o.Size == m.size(*f) {
			f.Object = o.Key[strings.LastIndexByte(o.Key, '/')+1:]
			continue
		}
		f.Object = label + "-" + nonce()
		missing = append(missing, f)
	}
	// The largest first, so that no single one is left over at the end.
	slices.SortStableFunc(missing, func(a, b *File) int { return cmp.Compare(b.Size, a.Size) })
	return missing, nil
}

// files lists dir with sums. A file that has the sum it had is not read: the store's files are
// written once, and a link keeps the file's identity.
func (w *Writer) files(ctx context.Context, dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sums := make(map[string]summed)
	var fresh []*summed
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a file", filepath.Join(dir, e.Name()))
		}
		old, ok := w.sums[e.Name()]
		if ok && os.SameFile(old.info, info) && old.info.Size() == info.Size() &&
			old.info.ModTime().Equal(info.ModTime()) {
			sums[e.Name()] = old
			continue
		}
		fresh = append(fresh, &summed{info: info, file: File{Name: e.Name(), Size: info.Size()}})
	}
	err = each(ctx, w.limits.Parallelism, fresh, func(ctx context.Context, s *summed) error {
		var err error
		s.file.SHA256, err = sumFile(ctx, filepath.Join(dir, s.file.Name), s.file.Size)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, s := range fresh {
		sums[s.file.Name] = *s
	}
	w.sums = sums
	files := make([]File, 0, len(entries))
	for _, e := range entries {
		files = append(files, sums[e.Name()].file)
	}
	return files, nil
}

// sumFile reads a file of the given size for its SHA-256.
func sumFile(ctx context.Context, path string, size int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	buf := make([]byte, 1<<20)
	var n int64
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		k, err := f.Read(buf)
		h.Write(buf[:k])
		n += int64(k)
		if err == io.EOF && n == size {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", fmt.Errorf("%s: %d of %d bytes were read: %w", path, n, size, err)
		}
	}
}

// upload sends one file; one that is no longer what was summed is not stored.
func (w *Writer) upload(ctx context.Context, t *transfer, dir string, seal *seal, f *File) error {
	file, err := os.Open(filepath.Join(dir, f.Name))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	key := w.series.key(objects, f.Object)
	body := t.checked(ctx, file, f.Size, f.SHA256)
	if seal != nil {
		if body, err = seal.encrypt(key, body); err != nil {
			return fmt.Errorf("encrypt %s: %w", f.Name, err)
		}
	}
	if err := w.series.target.Put(ctx, key, body, false); err != nil {
		return fmt.Errorf("upload %s: %w", f.Name, err)
	}
	return nil
}

// publish writes the manifest, which makes the checkpoint one. When there is one already, it is of
// the same position: ours if it has our files, else another owner's, as good as ours.
// began is the Target's time before the Writer looked; a machine that was suspended has not felt
// how long ago that is.
func (w *Writer) publish(ctx context.Context, m *Manifest, began time.Time) (existed bool,
	err error) {
	b, err := m.encode(w.series.key(manifests, m.ID))
	if err != nil {
		return false, err
	}
	now, err := w.series.now(ctx)
	if err != nil {
		return false, err
	}
	if took := now.Sub(began); took > w.grace/4 {
		return false, fmt.Errorf("publish %s: the upload took %v by the storage's clock, more "+
			"than a quarter of checkpoint.grace=%v; raise that", m.ID, took, w.grace)
	}
	err = w.series.target.Put(ctx, w.series.key(manifests, m.ID), bytes.NewReader(b), true)
	if errors.Is(err, fs.ErrExist) {
		other, err := w.series.Manifest(ctx, m.ID)
		if err != nil {
			return false, fmt.Errorf("publish %s: another one was published meanwhile: %w", m.ID,
				err)
		}
		*m = *other
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("publish %s: %w", m.ID, err)
	}
	return false, nil
}
