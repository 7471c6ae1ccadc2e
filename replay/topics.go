package replay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"pawl/processor"
)

// shown are the topics that a shadow has a copy of.
func (s *session) shown() []processor.TopicPlan {
	var all []processor.TopicPlan
	for _, t := range s.off.Topics() {
		switch t.Kind {
		case processor.TopicOutput, processor.TopicLate, processor.TopicDLQ:
			all = append(all, t)
		}
	}
	return all
}

// ours is the shadow's topic beside one of production's.
func (s *session) ours(topic string) string { return topic + s.o.suffix() }

// makeTopics creates the shadow's topics, empty: what an earlier run of the same id left is
// deleted.
func (s *session) makeTopics(ctx context.Context) error {
	var names []string
	for _, t := range s.shown() {
		names = append(names, s.ours(t.Name))
	}
	if err := deleteTopics(ctx, s.adm, names); err != nil {
		return err
	}
	shown := s.shown()
	errs := make([]error, len(shown))
	var all sync.WaitGroup
	for i, t := range shown { // at once: each takes a broker its time
		all.Go(func() { errs[i] = s.makeTopic(ctx, t) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// makeTopic waits for a topic of that name to be gone.
func (s *session) makeTopic(ctx context.Context, t processor.TopicPlan) error {
	configs := make(map[string]*string, len(t.Configs))
	for k, v := range t.Configs {
		configs[k] = &v
	}
	name := s.ours(t.Name)
	for {
		_, err := s.adm.CreateTopic(ctx, int32(t.Partitions), s.o.Config.ReplicationFactor, configs,
			name)
		switch {
		case err == nil:
			return s.awaitTopic(ctx, name)
		case errors.Is(err, kerr.InvalidConfig) && configs["message.timestamp.after.max.ms"] != nil:
			delete(configs, "message.timestamp.after.max.ms") // brokers before 3.6
		case errors.Is(err, kerr.TopicAlreadyExists):
			if err := pause(ctx); err != nil {
				return err
			}
		default:
			return fmt.Errorf("create topic %s with %d partitions: %w", name, t.Partitions, err)
		}
	}
}

func (s *session) awaitTopic(ctx context.Context, name string) error {
	for {
		listed, err := s.adm.ListTopics(ctx, name)
		if err != nil {
			return fmt.Errorf("look up topic %s: %w", name, err)
		}
		if listed[name].Err == nil {
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// deleteTopics deletes those of the topics that are there.
func deleteTopics(ctx context.Context, adm *kadm.Client, names []string) error {
	if len(names) == 0 {
		return nil
	}
	done, err := adm.DeleteTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("delete topics %s: %w", strings.Join(names, ", "), err)
	}
	for _, name := range slices.Sorted(maps.Keys(done)) {
		if err := done[name].Err; err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", name, err)
		}
	}
	return nil
}
