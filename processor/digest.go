package processor

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A copy at epoch n has the state of n: the digest that n's position record carries is the sum over
// all entries, so it can be compared with the copy's own at any boundary.

const (
	// checkEvery is how often a standby's digest is compared; it reads the whole store.
	checkEvery = time.Hour
	// checkRun is how many entries are read at a time, checkRest how long the disk and the
	// processor are left alone after them.
	checkRun  = 2000
	checkRest = 5 * time.Millisecond
)

// inspection is a comparison under way.
type inspection struct {
	stop atomic.Bool
	done chan struct{}
}

// compare begins a comparison when one is due; mu is held, and the store is at a boundary. The
// store is read as it is now, whatever is written to it meanwhile.
func (sb *standby) compare(now time.Time) {
	if sb.check != nil || now.Sub(sb.checked) < sb.in.cfg.checkEvery ||
		sb.disk.Mark().Position == nil {
		return
	}
	sb.checked = now
	pos, err := sb.position()
	if err != nil {
		sb.halt(err)
		return
	}
	c := &inspection{done: make(chan struct{})}
	sb.check = c
	disk, seen := sb.disk, make(chan struct{})
	sb.in.background(func() {
		defer close(c.done)
		var sum uint64
		n := 0
		err := disk.Scan([]byte{1}, nil, func(key, value []byte) bool {
			if n++; n == 1 {
				close(seen)
			}
			sum += entryHash(key, value)
			if n%checkRun == 0 {
				time.Sleep(checkRest)
			}
			return !c.stop.Load() && sb.in.ctx.Err() == nil
		})
		if n == 0 {
			close(seen)
		}
		if !c.stop.Load() && sb.in.ctx.Err() == nil {
			sb.in.background(func() { sb.compared(c, pos.Epoch, uint64(pos.Digest), sum, n, err) })
		}
	})
	<-seen
}

// compared takes a comparison's result: a copy that is not what it should be is made anew.
func (sb *standby) compared(c *inspection, epoch int64, want, got uint64, n int, err error) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.check != c || sb.over || sb.disk == nil {
		return
	}
	sb.check = nil
	if err == nil && got == want {
		sb.proved = epoch
		sb.publish()
		return
	}
	what := fmt.Sprintf("its digest at epoch %d is %x, not %x", epoch, got, want)
	if err != nil {
		what = err.Error()
	}
	sb.in.notice("standby of task %s is not the task's state (%d entries): %s; the copy is "+
		"rebuilt from the changelog", sb.name, n, what)
	sb.anew = true
}

// stopCheck ends a comparison under way and waits until it lets go of the store. mu is held.
func (sb *standby) stopCheck() {
	if c := sb.check; c != nil {
		c.stop.Store(true)
		<-c.done
		sb.check = nil
	}
}
