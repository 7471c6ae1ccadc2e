package processor

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A commit is fenced by the broker, a read is not: an instance that the group has given up without
// its knowing would go on answering for tasks that run elsewhere. So it answers only while the
// group cannot have given it up: for the session timeout from the sending of the last heartbeat
// that the group took (a lease, Gray and Cheriton, SOSP 1989; one clock measures it, so clocks need
// not agree). Two ways out of the group are quicker, and bound by the client's own heartbeats
// instead: another process with the same instance.id, and a hand-over of tasks that lasts longer
// than the rebalance timeout.

// holdMembership keeps the lease, beside the group client: that one sends no heartbeats while it
// waits to be let in again, and may keep its tasks all that time.
func (in *Instance) holdMembership() {
	every := in.cfg.SessionTimeout / 4
	for in.ctx.Err() == nil {
		who, changed := in.group.membership()
		if who.generation >= 0 {
			ctx, cancel := context.WithTimeout(in.ctx, in.cfg.SessionTimeout)
			sent := time.Now()
			if err := in.beat(ctx, who); err == nil || errors.Is(err, kerr.RebalanceInProgress) {
				in.group.extend(who, sent.Add(in.cfg.SessionTimeout))
			}
			cancel()
		}
		timer := time.NewTimer(every)
		select {
		case <-changed:
		case <-timer.C:
		case <-in.ctx.Done():
		}
		timer.Stop()
	}
}

// beat sends the group a heartbeat of a membership and returns what it says.
func (in *Instance) beat(ctx context.Context, who membership) error {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.InstanceID = in.cfg.ApplicationID, &in.cfg.InstanceID
	req.MemberID, req.Generation = who.id, who.generation
	resp, err := req.RequestWith(ctx, in.admin)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

// extend notes until when the group cannot give a membership up.
func (g *group) extend(who membership, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.who.id == who.id {
		g.until = until
	}
}

// holds says whether the tasks that are here cannot run elsewhere yet.
func (g *group) holds() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.until)
}
