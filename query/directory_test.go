package query

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"pawl/processor"
)

// TestDirectoryHoldsNobodyUp: while one asks the group again, others go by what was known; an
// answer that lacks tasks or does not come changes nothing.
func TestDirectoryHoldsNobodyUp(t *testing.T) {
	known := []processor.Member{{Instance: "a", Address: "a:1", Tasks: []int32{0}}}
	asked, answer := make(chan struct{}), make(chan []processor.Member)
	var first atomic.Bool
	d := NewDirectory(func(ctx context.Context) ([]processor.Member, error) {
		if first.CompareAndSwap(false, true) {
			return known, nil
		}
		asked <- struct{}{}
		select {
		case members := <-answer:
			if members == nil {
				return nil, errors.New("the group does not answer")
			}
			return members, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}).(*groupDirectory)
	owner := func() string {
		address, _ := d.Owner(t.Context(), 0)
		return address
	}
	if got := owner(); got != "a:1" {
		t.Fatalf("at first the owner is %q", got)
	}
	for _, c := range []struct {
		answer []processor.Member
		want   string
	}{
		{nil, "a:1"}, {[]processor.Member{{Instance: "b", Address: "b:1"}}, "a:1"},
		{[]processor.Member{{Instance: "b", Address: "b:1", Tasks: []int32{0}}}, "b:1"},
	} {
		d.Doubt()
		d.mu.Lock()
		d.asked = time.Now().Add(-time.Second)
		d.mu.Unlock()
		before := knownOwner(d)
		done := make(chan string)
		go func() { done <- owner() }()
		<-asked
		if got := owner(); got != before { // would hang if it waited
			t.Errorf("while the group is asked the owner is %q, was %q", got, before)
		}
		answer <- c.answer
		if got := <-done; got != c.want {
			t.Errorf("after %v the owner is %q, want %q", c.answer, got, c.want)
		}
	}
}

// knownOwner is the owner of task 0 as it is known, without asking.
func knownOwner(d *groupDirectory) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.owners[0]
}
