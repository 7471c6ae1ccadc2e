package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
)

// each calls fn for the committed records of a part of a partition.
func (s *session) each(ctx context.Context, topic string, partition int32, b verify.Bounds,
	fn func(*kgo.Record) error) error {
	if b.From >= b.To {
		return nil
	}
	return verify.Each(ctx, s.source, topic, partition, b, fn)
}

const (
	// patience is how long open transactions are waited for.
	patience  = 2 * time.Minute
	lookEvery = 50 * time.Millisecond
)

func pause(ctx context.Context) error {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settled waits until all that stands on a topic now is decided, and returns how far it is read:
// the markers of a transaction reach partitions one by one.
func (s *session) settled(ctx context.Context, topic string) ([]verify.Bounds, error) {
	listed, err := s.adm.ListEndOffsets(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("end offsets of topic %s: %w", topic, err)
	}
	for began := time.Now(); ; {
		bounds, err := s.source.Bounds(ctx, topic)
		if err != nil {
			return nil, err
		}
		behind := -1
		for p := range bounds {
			if end, ok := listed.Lookup(topic, int32(p)); ok && bounds[p].To < end.Offset {
				behind = p
			}
		}
		if behind < 0 {
			return bounds, nil
		}
		if time.Since(began) > patience {
			return nil, fmt.Errorf("%s-%d could be read to offset %d only, for %v: a transaction "+
				"is open; pawl audit names it", topic, behind, bounds[behind].To, patience)
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

// MembersError says that the application runs.
type MembersError struct {
	Group   string
	Members []string
}

// Error names the members.
func (e *MembersError) Error() string {
	return fmt.Sprintf("group %s has members (%d): %s; stop them first", e.Group, len(e.Members),
		strings.Join(e.Members, ", "))
}

// empty demands that no instance of the application runs.
func (s *session) empty(ctx context.Context) error {
	app := s.o.Config.ApplicationID
	groups, err := s.adm.DescribeGroups(ctx, app)
	if err != nil {
		return fmt.Errorf("describe group %s: %w", app, err)
	}
	g := groups[app]
	if errors.Is(g.Err, kerr.GroupIDNotFound) {
		return nil
	}
	if g.Err != nil {
		return fmt.Errorf("describe group %s: %w", app, g.Err)
	}
	var names []string
	for _, m := range g.Members {
		name := m.MemberID
		if m.InstanceID != nil {
			name = *m.InstanceID
		}
		names = append(names, name+" at "+m.ClientHost)
	}
	if len(names) > 0 {
		slices.Sort(names)
		return &MembersError{Group: app, Members: names}
	}
	return nil
}

// tombstones asks how long the changelog keeps a deletion at least.
func (s *session) tombstones(ctx context.Context) (time.Duration, error) {
	kept := 24 * time.Hour
	configs, err := s.adm.DescribeTopicConfigs(ctx, s.changelog)
	if err != nil {
		return 0, fmt.Errorf("read the configs of %s: %w", s.changelog, err)
	}
	eachConfig(configs, "delete.retention.ms", func(ms int64) {
		kept = time.Duration(ms) * time.Millisecond
	})
	return kept, nil
}

// longest is how long the brokers let a transaction be open.
func (s *session) longest(ctx context.Context) time.Duration {
	limit := 15 * time.Minute // the brokers' default
	meta, err := s.adm.BrokerMetadata(ctx)
	if err != nil || len(meta.Brokers) == 0 {
		return time.Minute
	}
	configs, err := s.adm.DescribeBrokerConfigs(ctx, meta.Brokers[0].NodeID)
	if err != nil {
		return time.Minute // whoever may not ask has enough of that for most states
	}
	eachConfig(configs, "transaction.max.timeout.ms", func(ms int64) {
		limit = min(limit, time.Duration(ms)*time.Millisecond)
	})
	return limit
}

func eachConfig(configs kadm.ResourceConfigs, key string, fn func(int64)) {
	for _, rc := range configs {
		for _, c := range rc.Configs {
			if c.Key != key || c.Value == nil {
				continue
			}
			if n, err := strconv.ParseInt(*c.Value, 10, 64); err == nil {
				fn(n)
			}
		}
	}
}
