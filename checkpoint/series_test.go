package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRoundTrip writes, lists, verifies and restores on each kind of Target.
func TestRoundTrip(t *testing.T) {
	onTargets(t, func(t *testing.T, target Target) {
		ctx := context.Background()
		l := newLiveStore(t)
		s := newTestSeries(t, target)
		w := NewWriter(s, Policy{}, Limits{})
		var last Written
		for range 4 {
			last = l.write(w)
		}
		list, err := s.List(ctx)
		if err != nil || len(list) != 4 {
			t.Fatalf("%d checkpoints, %v", len(list), err)
		}
		for i, e := range list {
			m := e.Manifest
			if !e.Complete() || m.Epoch != int64(4-i) || m.Digest != "ffffffffffffffff" ||
				m.Changelog.Offset != m.Epoch*10 || len(m.Schemas) != 2 ||
				m.Inputs[0].Processed != 5 {
				t.Errorf("checkpoint %d is %+v, %v", i, m, e.Fault)
			}
		}
		damages, err := s.Verify(ctx, list, Limits{}, nil)
		if err != nil || len(damages) != 0 {
			t.Errorf("verify: %v, %v", damages, err)
		}
		found, err := Find(ctx, target)
		if err != nil || len(found) != 1 || found[0].String() != "shop/fraud-0" {
			t.Errorf("found %v, %v", found, err)
		}
		dir := filepath.Join(t.TempDir(), "new", "store")
		var done, total int64
		m, skipped, err := s.RestoreLatest(ctx, dir, nil, Limits{}, func(d, n int64) {
			if d < done || n != last.Manifest.Bytes() {
				t.Errorf("progress went from %d to %d of %d", done, d, n)
			}
			done, total = d, n
		})
		if err != nil || len(skipped) != 0 || m.Epoch != 4 || done != total || done == 0 {
			t.Fatalf("restored %v, skipped %v, %d of %d, %v", m, skipped, done, total, err)
		}
		l.holds(dir, 4)
		absent(t, dir+partial)
		older := filepath.Join(t.TempDir(), "older")
		if err := os.Mkdir(older, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := s.Restore(ctx, list[2].Manifest, older, Limits{}, nil); err != nil {
			t.Fatal(err)
		}
		l.holds(older, 2)
		err = s.Restore(ctx, list[2].Manifest, older, Limits{}, nil)
		if err == nil || !strings.Contains(err.Error(), "the folder is not empty") {
			t.Errorf("restored over a store: %v", err)
		}
	})
}

// TestOnlyMissingFilesAreUploaded counts objects: a file that did not change is there once, also
// for a Writer that knows nothing, and so is one that an upload that failed has left.
func TestOnlyMissingFilesAreUploaded(t *testing.T) {
	l := newLiveStore(t)
	target := NewMemory()
	s := newTestSeries(t, target)
	w := NewWriter(s, Policy{}, Limits{})
	first := l.write(w)
	if first.Objects != len(listed(t, target, objects)) || first.Bytes != first.Manifest.Bytes() {
		t.Fatalf("%+v with %v", first, listed(t, target, objects))
	}
	for _, w := range []*Writer{w, NewWriter(s, Policy{}, Limits{})} {
		before := listed(t, target, objects)
		second := l.write(w)
		after := listed(t, target, objects)
		if len(after) != len(before)+second.Objects ||
			second.Objects >= len(second.Manifest.Files) {
			t.Errorf("uploaded %d of %d files; %d objects were %d", second.Objects,
				len(second.Manifest.Files), len(after), len(before))
		}
		have := make(map[string]bool)
		for _, key := range before {
			sum, _, _ := strings.Cut(filepath.Base(key), "-")
			have[sum] = true
		}
		for _, f := range second.Manifest.Files {
			if have[f.SHA256] && !slices.Contains(before, s.key(objects, f.Object)) {
				t.Errorf("%s was uploaded again", f.Name)
			}
		}
	}
	l.step()
	dir, d := l.copy()
	failing := &killing{Target: target, left: 1 << 30, refuse: manifests + "/"}
	lame := NewWriter(newTestSeries(t, failing), Policy{}, Limits{})
	if _, err := lame.Write(context.Background(), dir, d, nil); !errors.Is(err, errKilled) {
		t.Fatalf("wrote: %v", err)
	}
	again, err := w.Write(context.Background(), dir, d, nil)
	if err != nil || again.Objects != 0 || again.Existed {
		t.Errorf("after a failure: %+v, %v", again, err)
	}
	twice, err := w.Write(context.Background(), dir, d, nil)
	if err != nil || twice.Objects != 0 || !twice.Existed ||
		twice.Manifest.ID != again.Manifest.ID {
		t.Errorf("the same position twice: %+v, %v", twice, err)
	}
}

// TestChangedFileIsNotStored changes a file between the sum and the upload.
func TestChangedFileIsNotStored(t *testing.T) {
	l := newLiveStore(t)
	l.step()
	dir, d := l.copy()
	target := NewMemory()
	spoil := &killing{Target: target, left: 1 << 30, before: func(op, key string) {
		if op == "put" && strings.HasPrefix(key, objects) {
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Error(err)
			}
			for _, e := range entries {
				path := filepath.Join(dir, e.Name())
				b, err := os.ReadFile(path)
				if err != nil || len(b) == 0 {
					continue
				}
				b[len(b)/2] ^= 1
				if err := os.WriteFile(path, b, 0o644); err != nil {
					t.Error(err)
				}
			}
		}
	}}
	w := NewWriter(newTestSeries(t, spoil), Policy{}, Limits{Parallelism: 1})
	if _, err := w.Write(context.Background(), dir, d, nil); !errors.Is(err, errContent) {
		t.Errorf("wrote: %v", err)
	}
	if got := listed(t, target, manifests); len(got) != 0 {
		t.Errorf("published %v", got)
	}
}

// TestZombie writes under an older claim after its successor did, in every order of the two.
func TestZombie(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	target := NewMemory()
	s := newTestSeries(t, target)
	zombie, owner := NewWriter(s, Policy{}, Limits{}), NewWriter(s, Policy{}, Limits{})
	l.write(zombie)
	l.step()
	dir, old := l.copy()
	late := filepath.Join(l.dir, "late")
	if err := os.Rename(dir, late); err != nil {
		t.Fatal(err)
	}
	l.claim = 2
	newest := l.write(owner)
	_, err := zombie.Write(ctx, late, old, nil)
	var superseded *SupersededError
	if !errors.As(err, &superseded) || superseded.Newer != newest.Manifest.ID {
		t.Errorf("the zombie wrote: %v", err)
	}
	// One that looked before its successor published: its manifest sorts below.
	blind := &killing{Target: target, left: 1 << 30, hide: newest.Manifest.ID}
	z := NewWriter(newTestSeries(t, blind), Policy{}, Limits{})
	if _, err := z.Write(ctx, late, old, nil); err != nil {
		t.Error(err)
	}
	list, err := s.List(ctx)
	if err != nil || len(list) != 3 || list[0].ID != newest.Manifest.ID {
		t.Fatalf("%v, %v", list, err)
	}
	m, _, err := s.Latest(ctx, nil)
	if err != nil || m.ID != newest.Manifest.ID {
		t.Errorf("the latest is %v, %v", m, err)
	}
	// Both at one position: the second finds the first's, as good as its own.
	l.step()
	dir, d := l.copy()
	if _, err := owner.Write(ctx, dir, d, nil); err != nil {
		t.Fatal(err)
	}
	id, err := d.id()
	if err != nil {
		t.Fatal(err)
	}
	blind.hide = id
	both, err := z.Write(ctx, dir, d, nil)
	if err != nil || !both.Existed {
		t.Errorf("the second writer of %s: %+v, %v", id, both, err)
	}
}

// TestOnePositionTwice lets another owner publish the same position between any two requests of a
// Writer, which neither touches it nor fails.
func TestOnePositionTwice(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	c := l.copies(1)[0]
	for at, more := 1, true; more; at++ {
		target := NewMemory()
		s := newTestSeries(t, target)
		var other Written
		n := 0
		between := &killing{Target: target, left: 1 << 30, before: func(op, key string) {
			if n++; n == at {
				var err error
				other, err = NewWriter(s, Policy{}, Limits{}).Write(ctx, c.dir, c.Description, nil)
				if err != nil {
					t.Error(err)
				}
			}
		}}
		w := NewWriter(newTestSeries(t, between), Policy{}, Limits{Parallelism: 1})
		written, err := w.Write(ctx, c.dir, c.Description, nil)
		if more = n >= at; !more {
			break
		}
		if err != nil || !written.Existed ||
			!slices.Equal(written.Manifest.Files, other.Manifest.Files) {
			t.Errorf("published before request %d: %+v, %v", at, written, err)
		}
		for _, op := range between.ops {
			if strings.HasPrefix(op, "delete "+manifests) {
				t.Errorf("published before request %d: %s", at, op)
			}
		}
	}
}

// TestLatestAsksWhoRestores passes over what the caller cannot use.
func TestLatestAsksWhoRestores(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	s := newTestSeries(t, NewMemory())
	if _, _, err := s.Latest(ctx, nil); !errors.Is(err, ErrNone) {
		t.Errorf("no checkpoint: %v", err)
	}
	w := NewWriter(s, Policy{}, Limits{})
	for range 3 {
		l.write(w)
	}
	m, skipped, err := s.Latest(ctx, func(m *Manifest) error {
		if m.Epoch > 1 {
			return fmt.Errorf("the log does not reach offset %d", m.Changelog.Offset)
		}
		return nil
	})
	if err != nil || m.Epoch != 1 || len(skipped) != 2 ||
		skipped[0].Reason.Error() != "the log does not reach offset 30" {
		t.Errorf("latest %v, skipped %v, %v", m, skipped, err)
	}
}

// TestSlowUploadGivesUp takes longer than Prune waits, as felt here and as the storage dates it.
func TestSlowUploadGivesUp(t *testing.T) {
	l := newLiveStore(t)
	l.step()
	dir, d := l.copy()
	grace := time.Hour
	for _, c := range []struct {
		pause time.Duration
		want  string
	}{
		{grace / 5, ""},
		{grace / 3, "it took longer than 15m0s, a quarter of checkpoint.grace=1h0m0s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			slow := &killing{Target: NewMemory(), left: 1 << 30, before: func(op, key string) {
				if op == "put" && strings.HasPrefix(key, objects) {
					time.Sleep(c.pause)
				}
			}}
			w := NewWriter(newTestSeries(t, slow), Policy{Grace: grace}, Limits{Parallelism: 99})
			_, err := w.Write(t.Context(), dir, d, nil)
			if (err == nil) != (c.want == "") ||
				err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: %v, want %q", c.pause, err, c.want)
			}
			if n := len(listed(t, slow, manifests)); n == 0 != (c.want != "") {
				t.Errorf("%v: %d manifests", c.pause, n)
			}
		})
	}
	// A machine that was suspended feels no time; the storage's clock tells.
	target := NewMemory()
	suspended := &killing{Target: target, left: 1 << 30, before: func(op, key string) {
		if op == "put" && strings.HasPrefix(key, objects) {
			target.pass(grace / 3)
		}
	}}
	w := NewWriter(newTestSeries(t, suspended), Policy{Grace: grace}, Limits{Parallelism: 99})
	_, err := w.Write(context.Background(), dir, d, nil)
	if err == nil || !strings.Contains(err.Error(), "by the storage's clock") {
		t.Errorf("suspended: %v", err)
	}
}

// TestBandwidth counts the time a limited transfer takes.
func TestBandwidth(t *testing.T) {
	l := newLiveStore(t)
	l.step()
	dir, d := l.copy()
	synctest.Test(t, func(t *testing.T) {
		s := newTestSeries(t, NewMemory())
		big := filepath.Join(dir, "big")
		if err := os.WriteFile(big, make([]byte, 10<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		w := NewWriter(s, Policy{}, Limits{Bandwidth: 1 << 20})
		written, err := w.Write(t.Context(), dir, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		took, want := time.Since(began).Seconds(), float64(written.Bytes)/(1<<20)
		if took < want-0.2 || took > want+0.2 {
			t.Errorf("%d bytes took %.2f s, want %.2f s", written.Bytes, took, want)
		}
	})
}
