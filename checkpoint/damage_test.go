package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// spoils are ways to damage bytes; nil deletes.
func spoils() map[string]func([]byte) []byte {
	return map[string]func([]byte) []byte{
		"flip": func(b []byte) []byte {
			if len(b) == 0 {
				return []byte{0}
			}
			b[len(b)/2] ^= 0x10
			return b
		},
		"truncate": func(b []byte) []byte {
			if len(b) == 0 {
				return nil
			}
			return b[:len(b)-1]
		},
		"extend": func(b []byte) []byte { return append(b, 0) },
		"delete": func([]byte) []byte { return nil },
	}
}

// TestDamageIsNoticed damages each object and the manifest of the newest checkpoint. Verify names
// it, Restore refuses it, RestoreLatest takes the older one, and the next Write mends it.
func TestDamageIsNoticed(t *testing.T) {
	t.Run("plain", func(t *testing.T) { damageIsNoticed(t, nil) })
	t.Run("encrypted", func(t *testing.T) { damageIsNoticed(t, testVault(t, testKey(1))) })
}

func damageIsNoticed(t *testing.T, v *Vault) {
	ctx := context.Background()
	l := newLiveStore(t)
	copies := l.copies(3)
	base := NewMemory()
	s := newTestSeries(t, Sealed(base, v))
	writeAll(t, NewWriter(s, Policy{}, Limits{}), copies[:2])
	list, err := s.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	newest, older := list[0].Manifest, list[1].Manifest
	shared := make(map[string]bool)
	for _, f := range older.Files {
		shared[f.Object] = true
	}
	keys := []string{s.key(manifests, newest.ID)}
	for _, f := range newest.Files {
		keys = append(keys, s.key(objects, f.Object))
	}
	for _, key := range keys {
		for name, spoil := range spoils() {
			t.Run(name+" "+filepath.Base(key), func(t *testing.T) {
				target := base.clone()
				s := newTestSeries(t, Sealed(target, v))
				target.change(key, spoil)
				gone := strings.HasPrefix(key, manifests) && name == "delete"
				verifyNames(t, s, key, gone)
				dir := filepath.Join(t.TempDir(), "store")
				if !gone {
					err := s.Restore(ctx, newest, dir, Limits{}, nil)
					var damage *DamagedError
					if strings.HasPrefix(key, objects) && (!errors.As(err, &damage) ||
						damage.Key != key) {
						t.Errorf("restored: %v", err)
					}
					if err != nil {
						absent(t, dir)
					}
				}
				fallsBack(t, l, s, key, gone, shared[filepath.Base(key)])
				mends(t, s, key, copies[2])
			})
		}
	}
}

func verifyNames(t *testing.T, s *Series, key string, gone bool) {
	t.Helper()
	list, err := s.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	damages, err := s.Verify(context.Background(), list, Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	named := false
	for _, d := range damages {
		if d.Key != key {
			t.Errorf("verify names %v", d)
		}
		named = true
	}
	if named == gone {
		t.Errorf("verify of %s: %v", key, damages)
	}
}

// fallsBack restores what is whole: the older checkpoint, or none if both have the object.
func fallsBack(t *testing.T, l *liveStore, s *Series, key string, gone, shared bool) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	m, skipped, err := s.RestoreLatest(context.Background(), dir, nil, Limits{}, nil)
	if shared {
		if !errors.Is(err, ErrNone) || len(skipped) != 2 {
			t.Errorf("%s: restored %v, skipped %v, %v", key, m, skipped, err)
		}
		absent(t, dir)
		absent(t, dir+partial)
		return
	}
	if err != nil || m.Epoch != 1 || !gone && len(skipped) != 1 {
		t.Fatalf("%s: restored %v, skipped %v, %v", key, m, skipped, err)
	}
	if !gone && !strings.Contains(skipped[0].Reason.Error(), key) {
		t.Errorf("skipped because %v, which does not name %s", skipped[0].Reason, key)
	}
	l.holds(dir, 1)
}

// mends discards what is damaged and writes the next checkpoint: it is whole.
func mends(t *testing.T, s *Series, key string, next aCopy) {
	t.Helper()
	ctx := context.Background()
	list, err := s.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	damages, err := s.Verify(ctx, list, Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range damages {
		if err := s.Discard(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	w := NewWriter(s, Policy{}, Limits{})
	if _, err := w.Write(ctx, next.dir, next.Description, nil); err != nil {
		t.Fatal(err)
	}
	list, err = s.List(ctx)
	if err != nil || list[0].Manifest == nil || list[0].Manifest.Epoch != 3 {
		t.Fatal(list, err)
	}
	if damages, err = s.Verify(ctx, list[:1], Limits{}, nil); err != nil || len(damages) > 0 {
		t.Errorf("%s: the next checkpoint has %v, %v", key, damages, err)
	}
}

// TestDamagedPositionIsReplaced writes the same position again when its checkpoint is broken: a
// task without input has no other.
func TestDamagedPositionIsReplaced(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	copies := l.copies(2)
	for _, kind := range []string{manifests, objects} {
		target := NewMemory()
		s := newTestSeries(t, target)
		writeAll(t, NewWriter(s, Policy{}, Limits{}), copies)
		for _, key := range listed(t, target, kind) {
			target.change(key, spoils()["truncate"])
		}
		writeAll(t, NewWriter(s, Policy{}, Limits{}), copies[1:])
		m, _, err := s.Latest(ctx, nil)
		if err != nil || m.Epoch != 2 {
			t.Errorf("%s: %v, %v", kind, m, err)
		}
	}
}

// TestEveryByteOfAManifestCounts flips each bit of one, and cuts it everywhere.
func TestEveryByteOfAManifestCounts(t *testing.T) {
	m := exampleManifest(t)
	b, err := m.encode("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decode(b); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			got, err := decode(c)
			if err != nil {
				continue
			}
			// A letter of another case in a name of the first line says the same to Go.
			have, _ := json.Marshal(got)
			if want, _ := json.Marshal(m); !bytes.Equal(have, want) {
				t.Errorf("bit %d of byte %d, %q, was not noticed", bit, i, b[i])
			}
		}
		if _, err := decode(b[:i]); err == nil {
			t.Errorf("%d bytes pass for all %d", i, len(b))
		}
	}
	if _, err := decode(append(b, '\n')); err == nil {
		t.Error("one byte more was not noticed")
	}
}

// TestManifestLeadsNowhereElse refuses manifests that are well formed and evil.
func TestManifestLeadsNowhereElse(t *testing.T) {
	sum := strings.Repeat("a", 64)
	for _, f := range []File{
		{Name: "../x", SHA256: sum, Object: sum}, {Name: "..", SHA256: sum, Object: sum},
		{Name: "", SHA256: sum, Object: sum}, {Name: "a/b", SHA256: sum, Object: sum},
		{Name: `a\b`, SHA256: sum, Object: sum}, {Name: "c:x", SHA256: sum, Object: sum},
		{Name: "x", SHA256: sum, Object: "../" + sum}, {Name: "x", SHA256: sum, Object: ""},
		{Name: "x", SHA256: sum, Object: "b"}, {Name: "x", SHA256: sum, Object: sum, Size: -1},
		{Name: "CURRENT", SHA256: sum, Object: sum},
	} {
		m := exampleManifest(t)
		m.Files = []File{{Name: "CURRENT", SHA256: sum, Object: sum + "-1"}, f}
		b, err := m.encode("")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(b); err == nil {
			t.Errorf("file %+v was accepted", f)
		}
	}
}

// TestNewerFormatIsNotDamage tells a manifest of a later version from a broken one.
func TestNewerFormatIsNotDamage(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	target := NewMemory()
	s := newTestSeries(t, target)
	writeAll(t, NewWriter(s, Policy{}, Limits{}), l.copies(2))
	target.change(listed(t, target, manifests)[1], func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"version":1`), []byte(`"version":3`), 1)
	})
	m, skipped, err := s.Latest(ctx, nil)
	if err != nil || m.Epoch != 1 || len(skipped) != 1 ||
		!strings.Contains(skipped[0].Reason.Error(), "use a newer pawl") {
		t.Errorf("%v, %v, %v", m, skipped, err)
	}
	target.pass(2 * graceDefault)
	done, err := s.Prune(ctx, Policy{Keep: 1}, false)
	if err != nil || done.Objects != 0 || done.Blocked == nil || len(done.Kept) != 2 {
		t.Errorf("pruned %+v, %v", done, err)
	}
}
