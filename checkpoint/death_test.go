package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// deaths calls test with a user of a fresh Target that dies at its first operation, at its second
// and so on, in each way, until it lives.
func deaths(t *testing.T, k kind, test func(t *testing.T, target Target, die *killing) error) {
	t.Helper()
	cells := 0
	for _, done := range []bool{false, true} {
		for left := 1; ; left++ {
			target := k.fresh()
			die := &killing{Target: target, left: left, done: done}
			err := test(t, target, die)
			cells++
			if die.left > 0 {
				if err != nil {
					t.Errorf("it lived and failed: %v", err)
				}
				break
			}
			if err != nil && !errors.Is(err, errKilled) {
				t.Errorf("death %d: %v", left, err)
			}
			if t.Failed() {
				t.Fatalf("death at operation %d (done: %v) of\n%s", left, done,
					strings.Join(die.ops, "\n"))
			}
		}
	}
	if cells < 20 {
		t.Errorf("only %d deaths", cells)
	}
	t.Logf("%d deaths", cells)
}

// whole checks that every checkpoint is complete and that the newest is of one of the epochs.
func whole(t *testing.T, s *Series, epochs ...int64) int64 {
	t.Helper()
	list, err := s.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !e.Complete() {
			t.Errorf("%s: %v", e.ID, e.Fault)
		}
	}
	if len(list) == 0 || !slices.Contains(epochs, list[0].Manifest.Epoch) {
		t.Fatalf("%d checkpoints, the newest %+v; want epoch %v", len(list), list, epochs)
	}
	return list[0].Manifest.Epoch
}

// clean lets time pass and prunes: what is left is exactly what the manifests name.
func clean(t *testing.T, k kind, s *Series, keep int) {
	t.Helper()
	for range 3 {
		k.pass(2 * graceDefault)
		if _, err := s.Prune(context.Background(), Policy{Keep: keep}, false); err != nil {
			t.Fatal(err)
		}
	}
	exact(t, s, keep)
}

// exact checks that nothing but so many checkpoints is there.
func exact(t *testing.T, s *Series, manifestsWant int) {
	t.Helper()
	list, err := s.List(context.Background())
	if err != nil || len(list) > manifestsWant {
		t.Fatalf("%d checkpoints, want %d: %v", len(list), manifestsWant, err)
	}
	named := make(map[string]bool)
	for _, e := range list {
		for _, f := range e.Manifest.Files {
			named[s.key(objects, f.Object)] = true
		}
	}
	if got, want := listed(t, s.target, objects),
		slices.Sorted(maps.Keys(named)); !slices.Equal(got, want) {
		t.Errorf("%d objects, want %d\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	rest := slices.Concat(listed(t, s.target, retired), listed(t, s.target, verified),
		listed(t, s.target, clocks))
	if len(rest) > 0 || len(listed(t, s.target, manifests)) != len(list) {
		t.Errorf("left over: %v", rest)
	}
}

// TestWriterDies kills a Writer at each operation. The last good checkpoint stays, nothing that is
// seen is broken, the next Write ends the work, and Prune removes the rest.
func TestWriterDies(t *testing.T) {
	l := newLiveStore(t)
	copies := l.copies(3)
	onKinds(t, func(t *testing.T, k kind) {
		deaths(t, k, func(t *testing.T, target Target, die *killing) error {
			s := newTestSeries(t, target)
			writeAll(t, NewWriter(s, Policy{}, Limits{}), copies[:2])
			w := NewWriter(newTestSeries(t, die), Policy{}, Limits{Parallelism: 2})
			_, death := w.Write(context.Background(), copies[2].dir, copies[2].Description, nil)
			if epoch := whole(t, s, 2, 3); death == nil && epoch != 3 {
				t.Errorf("was written, and the newest is of epoch %d", epoch)
			}
			writeAll(t, NewWriter(s, Policy{}, Limits{}), copies[2:])
			whole(t, s, 3)
			clean(t, k, s, 2)
			whole(t, s, 3)
			return death
		})
	})
}

// TestRestoreDies kills a restore at each operation, in the middle of a file too. There is no store
// until it is whole, and the next one goes on.
func TestRestoreDies(t *testing.T) {
	l := newLiveStore(t)
	copies := l.copies(2)
	onKinds(t, func(t *testing.T, k kind) {
		root, n := t.TempDir(), 0
		deaths(t, k, func(t *testing.T, target Target, die *killing) error {
			n++
			ctx, dir := context.Background(), filepath.Join(root, fmt.Sprint(n))
			s := newTestSeries(t, target)
			writeAll(t, NewWriter(s, Policy{}, Limits{}), copies)
			_, _, death := newTestSeries(t, die).RestoreLatest(ctx, dir, nil,
				Limits{Parallelism: 2}, nil)
			if death != nil {
				absent(t, dir)
				again := &killing{Target: target, left: 1 << 30}
				m, _, err := newTestSeries(t, again).RestoreLatest(ctx, dir, nil, Limits{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if opened(die)+opened(again) > len(m.Files)+2+2 {
					t.Errorf("%d and %d objects were read for %d files", opened(die),
						opened(again), len(m.Files))
				}
			}
			l.holds(dir, 2)
			absent(t, dir+partial)
			return death
		})
	})
}

// opened counts the objects and manifests that were read.
func opened(k *killing) int {
	n := 0
	for _, op := range k.ops {
		if strings.HasPrefix(op, "open ") {
			n++
		}
	}
	return n
}

// TestPruneDies kills Prune at each operation, when there is something to retire, something to
// delete and something left over by a death. No checkpoint is ever broken, the newest stays, and
// the next Prune goes on.
func TestPruneDies(t *testing.T) {
	l := newLiveStore(t)
	copies := l.copies(4)
	onKinds(t, func(t *testing.T, k kind) {
		deaths(t, k, func(t *testing.T, target Target, die *killing) error {
			ctx := context.Background()
			s := newTestSeries(t, target)
			w := NewWriter(s, Policy{}, Limits{})
			writeAll(t, w, copies[:2])
			if _, err := s.Prune(ctx, Policy{Keep: 1}, false); err != nil {
				t.Fatal(err)
			}
			halfway := &killing{Target: target, left: 10}
			_, err := NewWriter(newTestSeries(t, halfway), Policy{}, Limits{}).Write(ctx,
				copies[3].dir, copies[3].Description, nil)
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			k.pass(2 * graceDefault)
			writeAll(t, w, copies[2:3])
			_, death := newTestSeries(t, die).Prune(ctx, Policy{Keep: 1}, false)
			whole(t, s, 3)
			clean(t, k, s, 1)
			whole(t, s, 3)
			return death
		})
	})
}
