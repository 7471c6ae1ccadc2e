package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// generateOptions are the flags of `pawl generate`.
type generateOptions struct {
	flags    sourceFlags
	rate     int
	count    int64
	seed     uint64
	topic    string
	users    int
	disorder float64
	poison   bool
}

func (a *app) generate() *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:   "generate PIPELINE",
		Short: "Send seeded load for a pipeline to any cluster",
		Long: `Send records as the pipeline's users would: many users, some of them busy, event
times near now and slightly out of order. The same --seed gives the same load.

The producer is idempotent and waits for what is under way, so the number printed
at the end is the number on the broker. The topics must exist.`,
		Example: `  pawl generate fraud --config fraud.yaml --rate 5000
  pawl generate fraud --kafka 127.0.0.1:9092 --registry http://127.0.0.1:8081 \
      --count 1000000 --rate 0 --users 100000`,
		Args: onePipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pipelineNamed(args[0])
			if err != nil {
				return err
			}
			return a.runGenerate(cmd.Context(), p, o)
		},
	}
	o.flags.add(cmd)
	f := cmd.Flags()
	f.IntVar(&o.rate, "rate", 1000, "records per second, 0 for as fast as possible")
	f.Int64Var(&o.count, "count", 0, "how many records, 0 until Ctrl-C")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the load")
	f.StringVar(&o.topic, "topic", "", "send to this topic instead of the pipeline's input")
	f.IntVar(&o.users, "users", 10_000, "how many users there are")
	f.Float64Var(&o.disorder, "disorder", 0.1, "share of records out of order, 0 to 1")
	f.BoolVar(&o.poison, "poison", false, "broken and late records too, about one in a hundred")
	return cmd
}

func (a *app) runGenerate(ctx context.Context, p pipeline, o generateOptions) error {
	switch {
	case o.rate < 0:
		return usage("--rate=%d is negative; give 0 for as fast as possible", o.rate)
	case o.count < 0:
		return usage("--count=%d is negative; give 0 to go on until Ctrl-C", o.count)
	case o.users < 1:
		return usage("--users=%d is out of range; give 1 or more", o.users)
	case o.disorder < 0 || o.disorder > 1:
		return usage("--disorder=%v is out of range; give 0 to 1", o.disorder)
	}
	s, _, err := judge(a.sources(o.flags), []pipeline{p}, aCluster)
	if err != nil {
		return err
	}
	a.notices(s)
	c := givenCluster(s)
	prefix := s.Text("topic.prefix")
	topics := withPrefix(prefix, p.topics()...)
	if o.topic != "" {
		topics[0] = o.topic
	}
	if err := c.topicsExist(ctx, topics, s.Duration("startup.timeout")); err != nil {
		return err
	}
	bar := newProgress(a.stdout, "generate "+p.name, o.count)
	err = c.feed(ctx, p, s, feed{rate: o.rate, count: o.count, seed: o.seed, users: o.users,
		disorder: noneIsNegative(o.disorder), poison: o.poison, topic: o.topic,
		told: func(sent int64) { bar.set(sent, o.count) }})
	bar.finish()
	return err
}

// noneIsNegative says 0 to a field whose zero value means its default.
func noneIsNegative(share float64) float64 {
	if share == 0 {
		return -1
	}
	return share
}

// topicsExist names the first topic that is missing: a producer would only wait for it.
func (c *cluster) topicsExist(ctx context.Context, topics []string, limit time.Duration) error {
	found, err := c.lookUp(ctx, topics, limit)
	if err != nil {
		return err
	}
	at := strings.Join(c.brokers, ",")
	for _, topic := range topics {
		switch t, ok := found[topic]; {
		case !ok || errors.Is(t.Err, kerr.UnknownTopicOrPartition):
			return fmt.Errorf("topic %s does not exist at %s; create it, or start pawl run, which "+
				"creates all but the main input", topic, at)
		case t.Err != nil:
			return fmt.Errorf("look up topic %s: %w", topic, t.Err)
		}
	}
	return nil
}

// lookUp asks for topics, and gives up after limit.
func (c *cluster) lookUp(ctx context.Context, topics []string, limit time.Duration) (
	kadm.TopicDetails, error) {
	cl, err := c.client(kgo.RetryTimeout(limit))
	if err != nil {
		return nil, err
	}
	adm := kadm.NewClient(cl)
	defer adm.Close()
	at := strings.Join(c.brokers, ",")
	ctx, cancel := context.WithTimeoutCause(ctx, max(limit, time.Second),
		fmt.Errorf("no answer from %s within %v; is the address right?", at, limit))
	defer cancel()
	found, err := adm.ListTopics(ctx, topics...)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return nil, fmt.Errorf("list topics at %s: %w", at, err)
	}
	return found, nil
}
