package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Pruned is what a Prune did, or would do.
type Pruned struct {
	Kept    []string // checkpoints that stay, the newest first
	Retired []string // newly marked
	Deleted []string // checkpoints whose grace is over
	Objects int      // deleted
	Bytes   int64    // of them
	Waiting int      // objects that nothing names and that are not old enough
	// Blocked says why no objects were deleted: a manifest that could not be read may name them.
	Blocked error
}

// Prune retires the checkpoints that the policy does not keep, deletes those whose grace is over,
// and the objects that nothing needs. The newest complete checkpoint and the newest verified one
// always stay, and so does all of a changelog that was made again since. It may run beside writers,
// restores and other Prunes of the same grace; cut short, the next one goes on. A dry run only says
// what would be done.
func (s *Series) Prune(ctx context.Context, p Policy, dry bool) (Pruned, error) {
	p.EnsureDefaults()
	view, err := s.view(ctx, p)
	if err != nil {
		return Pruned{}, fmt.Errorf("prune checkpoints of %s: %w", s, err)
	}
	done, err := view.prune(ctx, dry)
	if err != nil {
		return done, fmt.Errorf("prune checkpoints of %s: %w", s, err)
	}
	return done, nil
}

// view is what a Prune sees; doc.go says why in this order.
type view struct {
	*Series
	now      time.Time
	grace    time.Duration
	policy   Policy
	objects  map[string]Object
	entries  []Entry
	retired  map[string]Object
	verified map[string]Object
	clocks   map[string]Object
	strays   map[string]Object // in the folder of manifests
	dropped  int               // manifests that were listed and then gone
}

func (s *Series) view(ctx context.Context, p Policy) (*view, error) {
	v := &view{Series: s, policy: p, grace: p.Grace}
	var err error
	if v.now, err = s.now(ctx); err != nil {
		return nil, err
	}
	for kind, names := range map[string]*map[string]Object{retired: &v.retired,
		verified: &v.verified, clocks: &v.clocks} {
		if *names, err = s.names(ctx, kind); err != nil {
			return nil, err
		}
	}
	if v.entries, err = s.entries(ctx); err != nil {
		return nil, err
	}
	if v.objects, err = s.names(ctx, objects); err != nil {
		return nil, err
	}
	if v.strays, err = s.names(ctx, manifests); err != nil {
		return nil, err
	}
	maps.DeleteFunc(v.strays, func(name string, _ Object) bool { return validID(name) })
	if v.entries, v.dropped, err = s.readAll(ctx, v.entries, v.objects); err != nil {
		return nil, err
	}
	for _, e := range v.entries {
		if e.Manifest != nil { // whoever wrote it may count on a longer one
			v.grace = max(v.grace, time.Duration(e.Manifest.GraceSeconds)*time.Second)
		}
	}
	return v, nil
}

// old says that an object was written longer ago than the grace.
func (v *view) old(o Object) bool { return v.now.Sub(o.Time) > v.grace }

// kept chooses: of each changelog the newest complete ones and the young, and all that is newer
// than the newest complete one, for it is being made or somebody has to look at it.
func (v *view) kept() map[string]bool {
	keep := make(map[string]bool)
	complete := make(map[string]int)
	var checked bool
	for i := range v.entries {
		e := &v.entries[i]
		line := lineOf(e.ID)
		young := v.now.Sub(e.Written) < v.policy.KeepFor
		switch {
		case !e.Complete():
			keep[e.ID] = complete[line] == 0
			continue
		case complete[line] == 0 || !e.Retired && (complete[line] < v.policy.Keep || young):
			keep[e.ID] = true
		}
		if e.Verified && !checked {
			keep[e.ID], checked = true, true
		}
		complete[line]++
	}
	return keep
}

func (v *view) prune(ctx context.Context, dry bool) (Pruned, error) {
	var done Pruned
	if v.dropped > 0 {
		// A Writer may have built on it when it was there, and published after our list.
		done.Blocked = errors.New("objects stay this time: another prune is at work")
	}
	remove := func(kind, name string) error {
		if dry {
			return nil
		}
		return v.target.Delete(ctx, v.key(kind, name))
	}
	keep := v.kept()
	needed := make(map[string]bool)
	for i := range v.entries {
		e := &v.entries[i]
		mark, marked := v.retired[e.ID]
		var err error
		switch {
		case keep[e.ID]:
			done.Kept = append(done.Kept, e.ID)
		case !marked:
			done.Retired = append(done.Retired, e.ID)
			err = v.retire(ctx, e.ID, dry)
		case v.old(mark):
			done.Deleted = append(done.Deleted, e.ID)
			if err := remove(manifests, e.ID); err != nil {
				return done, err
			}
			continue
		}
		if err != nil {
			return done, err
		}
		if e.Manifest == nil {
			done.Blocked = fmt.Errorf("objects stay while %w", e.Fault)
			continue
		}
		for _, f := range e.Manifest.Files {
			needed[f.Object] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.objects)) {
		o := v.objects[name]
		switch {
		case needed[name]:
		case done.Blocked != nil || !v.old(o):
			done.Waiting++
		default:
			if err := remove(objects, name); err != nil {
				return done, err
			}
			done.Objects++
			done.Bytes += o.Size
		}
	}
	return done, v.sweep(remove)
}

// retire marks a checkpoint. A mark dates from when it was asked for, so it must not come late.
func (v *view) retire(ctx context.Context, id string, dry bool) error {
	if dry {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, v.grace/8)
	defer cancel()
	return v.target.Put(ctx, v.key(retired, id), strings.NewReader(""), false)
}

// sweep removes marks without a manifest, and what deaths left.
func (v *view) sweep(remove func(kind, name string) error) error {
	there := make(map[string]bool)
	for _, e := range v.entries {
		there[e.ID] = true
	}
	for kind, names := range map[string]map[string]Object{retired: v.retired,
		verified: v.verified, clocks: v.clocks, manifests: v.strays} {
		for name, o := range names {
			if there[name] || !v.old(o) {
				continue
			}
			if err := remove(kind, name); err != nil {
				return err
			}
		}
	}
	return nil
}
