package main

import (
	"context"
	"strings"
	"time"

	"pawl/internal/chaos"
)

// registryDown cuts the registry off and has an instance start meanwhile, which needs it.
func (d *ordeal) registryDown(ctx context.Context, c *chaos.Case) error {
	t, m, release := d.victim(ctx, c.Dice)
	defer release()
	if m == nil {
		return nil
	}
	defer d.outage()()
	rule, what := chaos.Rule{Refuse: true}, "refuses connections"
	if c.Dice>>8%2 == 0 {
		rule, what = chaos.Rule{Requests: chaos.Drop}, "never answers"
	}
	c.Hit("it %s for %v while %s starts", what, c.Length.Round(time.Millisecond), m.name)
	places := stands(m)
	before := d.registry.Hits()
	d.registry.Set(rule)
	m.expectEnd()
	m.process().Kill9()
	chaos.Wait(ctx, c.Length)
	if n := d.registry.Hits() - before; n > 0 {
		c.Effect("%d requests met it", n)
	}
	d.registry.Set(chaos.Rule{})
	c.Recover(t.goesOn(places))
	return nil
}

// brokerKill kills a broker and starts it again.
func (d *ordeal) brokerKill(ctx context.Context, c *chaos.Case) error {
	kafka := d.stage.cluster.kafka
	return d.killBroker(ctx, c, 1+int(c.Dice%uint64(kafka.Nodes())), "broker")
}

// coordinatorKill kills the broker that coordinates a pipeline's group, or an instance's
// transactions.
func (d *ordeal) coordinatorKill(ctx context.Context, c *chaos.Case) error {
	t := d.stage.acts[c.Dice%uint64(len(d.stage.acts))]
	asked, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	name, what := t.group, "coordinator of group "+t.group
	found := t.adm.FindGroupCoordinators(asked, name)
	if c.Dice>>8%2 == 0 {
		name = t.group + "-" + t.fleet.members[c.Dice>>16%uint64(len(t.fleet.members))].name
		what = "coordinator of transactional id " + name
		found = t.adm.FindTxnCoordinators(asked, name)
	}
	answer, ok := found[name]
	if !ok || answer.Err != nil {
		return nil // the cluster is busy with something else
	}
	return d.killBroker(ctx, c, int(answer.NodeID), what)
}

// killBroker kills a node, leaves it down for a while, and starts it again.
func (d *ordeal) killBroker(ctx context.Context, c *chaos.Case, node int, what string) error {
	defer d.outage()()
	kafka := d.stage.cluster.kafka
	c.Hit("%s, node %d, down for %v", what, node, c.Length.Round(time.Millisecond))
	if err := kafka.Kill(node); err != nil {
		return err
	}
	if proc, err := kafka.Process(node); err == nil && !proc.Running() {
		c.Effect("the process is gone")
	}
	if kafka.Nodes() > 1 {
		c.Recover(d.allGoOn) // by the others
	}
	chaos.Wait(ctx, c.Length)
	if err := kafka.Restart(context.WithoutCancel(ctx), node); err != nil {
		return err
	}
	if kafka.Nodes() == 1 {
		c.Recover(d.allGoOn)
	}
	d.inSync(ctx)
	return nil
}

// brokerRestart restarts all brokers, one after the other.
func (d *ordeal) brokerRestart(ctx context.Context, c *chaos.Case) error {
	defer d.outage()()
	kafka := d.stage.cluster.kafka
	c.Hit("nodes 1 to %d", kafka.Nodes())
	done := 0
	for node := 1; node <= kafka.Nodes() && ctx.Err() == nil; node++ {
		if err := kafka.Stop(node); err != nil && !strings.Contains(err.Error(), "killed instead") {
			return err
		}
		if err := kafka.Restart(context.WithoutCancel(ctx), node); err != nil {
			return err
		}
		d.inSync(ctx)
		done++
	}
	if done == kafka.Nodes() {
		c.Effect("%d brokers were restarted", done)
	}
	c.Recover(d.allGoOn)
	return nil
}

// inSync waits until every partition has all its replicas in sync, for a while: who restarts the
// next broker sooner takes a partition's quorum away.
func (d *ordeal) inSync(ctx context.Context) {
	adm := d.stage.acts[0].adm
	until(ctx, 30*time.Second, func() bool {
		asked, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		meta, err := adm.Metadata(asked)
		if err != nil {
			return false
		}
		for _, topic := range meta.Topics {
			for _, p := range topic.Partitions {
				if len(p.ISR) < len(p.Replicas) {
					return false
				}
			}
		}
		return true
	})
}
