package checkpoint

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestNothingIsBuiltOnRetired writes when only a retired checkpoint has the files: they are
// uploaded again, for its objects may be deleted at any moment.
func TestNothingIsBuiltOnRetired(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	copies := l.copies(3)
	target := NewMemory()
	s := newTestSeries(t, target)
	writeAll(t, NewWriter(s, Policy{}, Limits{}), copies[:2])
	if _, err := s.Prune(ctx, Policy{Keep: 1}, false); err != nil {
		t.Fatal(err)
	}
	target.change(listed(t, target, manifests)[1], spoils()["delete"])
	target.pass(graceDefault * 3 / 4)
	written, err := NewWriter(s, Policy{}, Limits{}).Write(ctx, copies[2].dir,
		copies[2].Description, nil)
	if err != nil || written.Objects != len(written.Manifest.Files) {
		t.Errorf("uploaded %d of %d files, %v", written.Objects, len(written.Manifest.Files), err)
	}
}

// TestRestoreOfAnother goes on where a restore of another checkpoint was cut short: nothing of
// that stays.
func TestRestoreOfAnother(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	copies := l.copies(2)
	target := NewMemory()
	s := newTestSeries(t, target)
	writeAll(t, NewWriter(s, Policy{}, Limits{}), copies)
	list, err := s.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "store")
	for left := 2; left < 9; left++ {
		dies := newTestSeries(t, &killing{Target: target, left: left})
		if err := dies.Restore(ctx, list[0].Manifest, dir, Limits{}, nil); err == nil {
			break
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir+partial, "junk", "more"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir+partial, "999999.sst"), []byte("x"),
		0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Restore(ctx, list[1].Manifest, dir, Limits{}, nil); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	for _, f := range list[1].Manifest.Files {
		want = append(want, f.Name)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("restored %v, want %v", got, want)
	}
	l.holds(dir, 1)
}

// TestManifestAndFilesMustAgree restores a checkpoint whose manifest says another position than its
// files hold, and one whose files are no store.
func TestManifestAndFilesMustAgree(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	copies := l.copies(2)
	wrong := copies[1]
	wrong.Changelog.Offset++
	empty := copies[1]
	empty.dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(empty.dir, "CURRENT"), []byte("?"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]aCopy{"at changelog offset 20, not 21": wrong,
		"do not open as a store": empty} {
		s := newTestSeries(t, NewMemory())
		writeAll(t, NewWriter(s, Policy{}, Limits{}), []aCopy{copies[0], c})
		m, _, err := s.Latest(ctx, nil)
		if err != nil || m.Epoch != 2 {
			t.Fatal(m, err)
		}
		dir := filepath.Join(t.TempDir(), "store")
		err = s.Restore(ctx, m, dir, Limits{}, nil)
		var damage *DamagedError
		if !errors.As(err, &damage) || !strings.Contains(err.Error(), name) {
			t.Errorf("restored: %v; want %s", err, name)
		}
		absent(t, dir)
		m, skipped, err := s.RestoreLatest(ctx, dir, nil, Limits{}, nil)
		if err != nil || m.Epoch != 1 || len(skipped) != 1 {
			t.Errorf("the latest is %v, skipped %v, %v", m, skipped, err)
		}
		l.holds(dir, 1)
	}
}

// TestConfig lists what is wrong, and fills in what is not given.
func TestConfig(t *testing.T) {
	var good Config
	good.EnsureDefaults()
	if err := good.Validate(); err != nil || good.Interval != 5*time.Minute ||
		good.Policy.Keep != 3 || good.Policy.Grace != graceDefault || good.Limits.Parallelism != 4 {
		t.Errorf("defaults %+v: %v", good, err)
	}
	bad := Config{URL: "x://y", Interval: time.Millisecond,
		Policy: Policy{Keep: -1, KeepFor: -1, Grace: time.Second},
		Limits: Limits{Parallelism: 1000, Bandwidth: 5}}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no fault")
	}
	var keys []string
	for line := range strings.Lines(err.Error()) {
		key, _, _ := strings.Cut(line, "=")
		keys = append(keys, key)
	}
	want := "checkpoint.url checkpoint.interval checkpoint.keep.last checkpoint.keep.for " +
		"checkpoint.grace checkpoint.parallelism checkpoint.bandwidth"
	if got := strings.Join(keys, " "); got != want {
		t.Errorf("faults of %s\nwant %s", got, want)
	}
}
