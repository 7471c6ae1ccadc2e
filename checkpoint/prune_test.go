package checkpoint

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// epochsOf are the epochs of checkpoints by id.
func epochsOf(t *testing.T, ids []string) []int64 {
	t.Helper()
	var all []int64
	for _, id := range ids {
		n := int64(0)
		for _, c := range strings.Split(id, "-")[1] {
			n = n*10 + int64(c-'0')
		}
		all = append(all, n)
	}
	return all
}

// TestPolicy prunes with each policy what was written an hour apart, twice: with the grace between.
func TestPolicy(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	copies := l.copies(6)
	base := NewMemory()
	s := newTestSeries(t, base)
	w := NewWriter(s, Policy{}, Limits{})
	for _, c := range copies {
		base.pass(time.Hour)
		writeAll(t, w, []aCopy{c})
	}
	list, err := s.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id := func(epoch int) string { return list[6-epoch].ID }
	object := func(epoch int) string { // one that the older ones do not have
		older := list[6-epoch+1].Manifest.Files
		i := slices.IndexFunc(list[6-epoch].Manifest.Files, func(f File) bool {
			return !slices.ContainsFunc(older, func(g File) bool { return f.SHA256 == g.SHA256 })
		})
		return s.key(objects, list[6-epoch].Manifest.Files[i].Object)
	}
	for _, c := range []struct {
		name   string
		policy Policy
		spoil  func(target *Memory, s *Series)
		kept   []int64
	}{
		{"default", Policy{}, nil, []int64{6, 5, 4}},
		{"one", Policy{Keep: 1}, nil, []int64{6}},
		{"more than there are", Policy{Keep: 9}, nil, []int64{6, 5, 4, 3, 2, 1}},
		{"young", Policy{Keep: 1, KeepFor: 210 * time.Minute}, nil, []int64{6, 5, 4, 3}},
		{"few are young", Policy{Keep: 3, KeepFor: time.Minute}, nil, []int64{6, 5, 4}},
		{"verified", Policy{Keep: 1}, func(_ *Memory, s *Series) {
			for _, epoch := range []int{2, 3} {
				if err := s.MarkVerified(ctx, id(epoch)); err != nil {
					t.Fatal(err)
				}
			}
		}, []int64{6, 3}},
		{"newest is broken", Policy{Keep: 2}, func(target *Memory, _ *Series) {
			target.change(s.key(manifests, id(6)), spoils()["truncate"])
		}, []int64{6, 5, 4}},
		{"newest lacks an object", Policy{Keep: 1}, func(target *Memory, _ *Series) {
			target.change(object(6), spoils()["delete"])
		}, []int64{6, 5}},
		{"verified one is broken", Policy{Keep: 1}, func(target *Memory, s *Series) {
			if err := s.MarkVerified(ctx, id(4)); err != nil {
				t.Fatal(err)
			}
			target.change(s.key(manifests, id(4)), spoils()["flip"])
		}, []int64{6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := base.clone()
			s := newTestSeries(t, target)
			if c.spoil != nil {
				c.spoil(target, s)
			}
			dry, err := s.Prune(ctx, c.policy, true)
			if err != nil || len(listed(t, target, retired)) != 0 {
				t.Errorf("dry run: %+v, %v", dry, err)
			}
			first, err := s.Prune(ctx, c.policy, false)
			if err != nil || !slices.Equal(epochsOf(t, first.Kept), c.kept) ||
				len(first.Kept)+len(first.Retired) != 6 || len(first.Deleted) != 0 ||
				first.Objects != 0 || !slices.Equal(first.Retired, dry.Retired) {
				t.Errorf("kept %v of %+v, %v; want %v", epochsOf(t, first.Kept), first, err, c.kept)
			}
			target.pass(graceDefault - time.Minute)
			early, err := s.Prune(ctx, Policy{Keep: c.policy.Keep, KeepFor: 24 * time.Hour}, false)
			if err != nil || len(early.Deleted)+len(early.Retired)+early.Objects != 0 {
				t.Errorf("within the grace: %+v, %v", early, err)
			}
			target.pass(2 * time.Minute)
			later, err := s.Prune(ctx, Policy{Keep: c.policy.Keep, KeepFor: 24 * time.Hour}, false)
			if err != nil || !slices.Equal(later.Deleted, first.Retired) ||
				len(first.Retired) > 0 && later.Blocked == nil && later.Objects == 0 {
				t.Errorf("after the grace: %+v, %v", later, err)
			}
			if n := len(listed(t, target, manifests)); n != len(c.kept) {
				t.Errorf("%d manifests are left", n)
			}
		})
	}
}

// TestRetiredIsTheLastOneLeft finds the newer ones broken when the grace of an old one is over.
func TestRetiredIsTheLastOneLeft(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	target := NewMemory()
	s := newTestSeries(t, target)
	writeAll(t, NewWriter(s, Policy{}, Limits{}), l.copies(2))
	if _, err := s.Prune(ctx, Policy{Keep: 1}, false); err != nil {
		t.Fatal(err)
	}
	target.change(listed(t, target, manifests)[1], spoils()["flip"])
	for range 3 {
		target.pass(2 * graceDefault)
		if _, err := s.Prune(ctx, Policy{Keep: 1}, false); err != nil {
			t.Fatal(err)
		}
	}
	m, _, err := s.Latest(ctx, nil)
	if err != nil || m.Epoch != 1 {
		t.Errorf("left %v, %v", m, err)
	}
}

// TestGraceOfTheWriterCounts prunes with a shorter grace than the writer counts on.
func TestGraceOfTheWriterCounts(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	target := NewMemory()
	s := newTestSeries(t, target)
	writeAll(t, NewWriter(s, Policy{Grace: 10 * time.Hour}, Limits{}), l.copies(3))
	short := Policy{Keep: 1, Grace: time.Hour}
	for i, want := range []int{3, 3, 1} {
		if _, err := s.Prune(ctx, short, false); err != nil {
			t.Fatal(err)
		}
		if got := len(listed(t, target, manifests)); got != want {
			t.Errorf("after %d: %d manifests, want %d", i, got, want)
		}
		target.pass(9 * time.Hour)
	}
}

// TestChangelogMadeAgain keeps apart the checkpoints of a changelog that is gone: claims begin
// small again, and yet the new ones are the newest, and none of the old ones is deleted for them.
func TestChangelogMadeAgain(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	target := NewMemory()
	s := newTestSeries(t, target)
	w := NewWriter(s, Policy{}, Limits{})
	l.claim = 100
	writeAll(t, w, l.copies(2))
	l.claim = 3
	again := l.copies(2)
	for i := range again {
		again[i].Changelog.TopicID = "/////////////////////w=="
	}
	target.pass(time.Minute)
	writeAll(t, w, again)
	list, err := s.List(ctx)
	if err != nil || len(list) != 4 {
		t.Fatal(list, err)
	}
	var claims []int64
	for _, e := range list {
		claims = append(claims, e.Manifest.Claim)
	}
	if !slices.Equal(claims, []int64{3, 3, 100, 100}) {
		t.Errorf("claims %v", claims)
	}
	done, err := s.Prune(ctx, Policy{Keep: 1}, false)
	if err != nil || !slices.Equal(epochsOf(t, done.Kept), []int64{4, 2}) {
		t.Errorf("kept %v, %v", done.Kept, err)
	}
}

// TestTwoTasksDoNotMeet prunes one task beside another that has a similar name.
func TestTwoTasksDoNotMeet(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	copies := l.copies(2)
	target := NewMemory()
	for _, task := range []string{"fraud-1", "fraud-10"} {
		s, err := NewSeries(target, testApplication, task)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range copies {
			d := c.Description
			d.Task = task
			if _, err := NewWriter(s, Policy{}, Limits{}).Write(ctx, c.dir, d, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	found, err := Find(ctx, target)
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	for range 3 {
		if _, err := found[0].Prune(ctx, Policy{Keep: 1}, false); err != nil {
			t.Fatal(err)
		}
		target.pass(2 * graceDefault)
	}
	for i, want := range []int{1, 2} {
		list, err := found[i].List(ctx)
		if err != nil || len(list) != want || !list[0].Complete() {
			t.Errorf("%s: %v, %v", found[i], list, err)
		}
	}
	w := NewWriter(found[0], Policy{}, Limits{})
	if _, err := w.Write(ctx, copies[0].dir, copies[0].Description, nil); err == nil {
		t.Error("wrote a checkpoint of another task")
	}
}
