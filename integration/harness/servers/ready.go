//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

const (
	pollEvery   = 20 * time.Millisecond
	requestTime = 2 * time.Second
	readyTime   = 90 * time.Second // beyond any start seen on a busy machine of two cores
	tailLines   = 30
)

// errPortTaken says that a server could not bind a port that was free a moment ago.
var errPortTaken = errors.New("a port was taken meanwhile")

// WaitReady waits until each node that runs and isn't frozen answers and lists all the others as
// brokers. Start and Restart do it themselves; after Resume it is for the caller.
func (c *Cluster) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	var up []*node
	for _, n := range c.nodes {
		if n.proc.Running() && !n.paused {
			up = append(up, n)
		}
	}
	// All at once: when one fails, the others can't become ready and need not be waited for.
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range up {
		group.Go(func() error {
			if err := n.waitBrokers(ctx, up); err != nil {
				return fmt.Errorf("%w; node %d last said:\n%s", err, n.id, n.proc.Tail(tailLines))
			}
			return nil
		})
	}
	return group.Wait()
}

// waitBrokers asks a node for its metadata until it lists every node of up.
func (n *node) waitBrokers(ctx context.Context, up []*node) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(local(n.port)), kgo.DialTimeout(requestTime))
	if err != nil {
		return fmt.Errorf("create client of node %d: %w", n.id, err)
	}
	defer client.Close()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		err := n.listsBrokers(ctx, client, up)
		if err == nil {
			return nil
		}
		select {
		case <-n.proc.Done():
			if taken := portTaken(n.proc.Tail(tailLines)); taken != nil {
				return fmt.Errorf("node %d on ports %d and %d: %w", n.id, n.port, n.controllerPort,
					taken)
			}
			return fmt.Errorf("node %d ended with exit code %d", n.id, n.proc.ExitCode())
		case <-ctx.Done():
			return fmt.Errorf("node %d is not ready (%w): %w", n.id, ctx.Err(), err)
		case <-poll.C:
		}
	}
}

// listsBrokers makes one metadata request and checks its answer.
func (n *node) listsBrokers(ctx context.Context, client *kgo.Client, up []*node) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none; nil would ask for all
	resp, err := client.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return fmt.Errorf("request metadata: %w", err)
	}
	listed := make(map[int]bool)
	for _, b := range resp.(*kmsg.MetadataResponse).Brokers {
		listed[int(b.NodeID)] = true
	}
	for _, other := range up {
		if !listed[other.id] {
			return fmt.Errorf("node %d does not know node %d", n.id, other.id)
		}
	}
	return nil
}

// portTaken reads from the last words of a Java server whether a port was the trouble.
func portTaken(said string) error {
	for _, sign := range []string{
		"BindException", "Address already in use", "seems to be in use by another process",
	} {
		if strings.Contains(said, sign) {
			return errPortTaken
		}
	}
	return nil
}
