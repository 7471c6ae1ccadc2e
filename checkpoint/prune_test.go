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

// sixHours are a task's six checkpoints, written an hour apart.
type sixHours struct {
	t      *testing.T
	target *Memory
	*Series
	list []Entry
}

func newSixHours(t *testing.T) *sixHours {
	t.Helper()
	l := newLiveStore(t)
	six := &sixHours{t: t, target: NewMemory()}
	six.Series = newTestSeries(t, six.target)
	w := NewWriter(six.Series, Policy{}, Limits{})
	for _, c := range l.copies(6) {
		six.target.pass(time.Hour)
		writeAll(t, w, []aCopy{c})
	}
	var err error
	if six.list, err = six.List(context.Background()); err != nil || len(six.list) != 6 {
		t.Fatal(six.list, err)
	}
	return six
}

// clone is the same once more.
func (six *sixHours) clone(t *testing.T) *sixHours {
	target := six.target.clone()
	return &sixHours{t: t, target: target, Series: newTestSeries(t, target), list: six.list}
}

func (six *sixHours) id(epoch int) string { return six.list[6-epoch].ID }

// object is the key of one that older checkpoints than the epoch's do not have.
func (six *sixHours) object(epoch int) string {
	older := six.list[6-epoch+1].Manifest.Files
	files := six.list[6-epoch].Manifest.Files
	return six.key(objects, files[slices.IndexFunc(files, func(f File) bool {
		return !slices.ContainsFunc(older, func(g File) bool { return f.SHA256 == g.SHA256 })
	})].Object)
}

func (six *sixHours) mark(epochs ...int) {
	for _, epoch := range epochs {
		if err := six.MarkVerified(context.Background(), six.id(epoch)); err != nil {
			six.t.Fatal(err)
		}
	}
}

func (six *sixHours) spoilManifest(epoch int) {
	six.target.change(six.key(manifests, six.id(epoch)), spoils()["truncate"])
}

// TestPolicy prunes with each policy, then within the grace, then after it.
func TestPolicy(t *testing.T) {
	base := newSixHours(t)
	for _, c := range []struct {
		name   string
		policy Policy
		before func(six *sixHours)
		kept   []int64
	}{
		{"default", Policy{}, nil, []int64{6, 5, 4}},
		{"one", Policy{Keep: 1}, nil, []int64{6}},
		{"more than there are", Policy{Keep: 9}, nil, []int64{6, 5, 4, 3, 2, 1}},
		{"young", Policy{Keep: 1, KeepFor: 210 * time.Minute}, nil, []int64{6, 5, 4, 3}},
		{"few are young", Policy{Keep: 3, KeepFor: time.Minute}, nil, []int64{6, 5, 4}},
		{"verified", Policy{Keep: 1}, func(six *sixHours) { six.mark(2, 3) }, []int64{6, 3}},
		{"newest is broken", Policy{Keep: 2}, func(six *sixHours) { six.spoilManifest(6) },
			[]int64{6, 5, 4}},
		{"newest lacks an object", Policy{Keep: 1}, func(six *sixHours) {
			six.target.change(six.object(6), spoils()["delete"])
		}, []int64{6, 5}},
		{"verified one is broken", Policy{Keep: 1}, func(six *sixHours) {
			six.mark(4)
			six.spoilManifest(4)
		}, []int64{6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			six := base.clone(t)
			if c.before != nil {
				c.before(six)
			}
			six.prunes(c.policy, c.kept)
		})
	}
}

func (six *sixHours) prunes(p Policy, kept []int64) {
	t, ctx := six.t, context.Background()
	dry, err := six.Prune(ctx, p, true)
	if err != nil || len(listed(t, six.target, retired)) != 0 {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
	first, err := six.Prune(ctx, p, false)
	if err != nil || !slices.Equal(epochsOf(t, first.Kept), kept) ||
		len(first.Kept)+len(first.Retired) != 6 || len(first.Deleted) != 0 ||
		first.Objects != 0 || !slices.Equal(first.Retired, dry.Retired) {
		t.Errorf("kept %v of %+v, %v; want %v", epochsOf(t, first.Kept), first, err, kept)
	}
	p.KeepFor = 24 * time.Hour
	six.target.pass(graceDefault - time.Minute)
	early, err := six.Prune(ctx, p, false)
	if err != nil || len(early.Deleted)+len(early.Retired)+early.Objects != 0 {
		t.Errorf("within the grace: %+v, %v", early, err)
	}
	six.target.pass(2 * time.Minute)
	later, err := six.Prune(ctx, p, false)
	if err != nil || !slices.Equal(later.Deleted, first.Retired) ||
		len(first.Retired) > 0 && later.Blocked == nil && later.Objects == 0 {
		t.Errorf("after the grace: %+v, %v", later, err)
	}
	if n := len(listed(t, six.target, manifests)); n != len(kept) {
		t.Errorf("%d manifests are left", n)
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
