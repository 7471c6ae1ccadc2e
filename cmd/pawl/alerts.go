package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

const alertsShown = 5

// alertTail keeps the newest committed records of a topic as text.
type alertTail struct {
	client   *kgo.Client
	resolver *schemas.Resolver
	fields   []string // shown of each record, in this order

	mu   sync.Mutex
	last []string
}

// tailAlerts follows topic from its end; run it until the context ends.
func (c *cluster) tailAlerts(topic string, fields []string) (*alertTail, error) {
	cl, err := c.client(kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return nil, err
	}
	return &alertTail{client: cl, resolver: schemas.NewResolver(c.schemas()),
		fields: fields}, nil
}

func (t *alertTail) run(ctx context.Context) {
	defer t.client.Close()
	for ctx.Err() == nil {
		fetches := t.client.PollFetches(ctx)
		records := fetches.Records()
		records = records[max(0, len(records)-alertsShown):] // the rest would be pushed out anyway
		for _, rec := range records {
			t.add(t.text(ctx, rec))
		}
	}
}

// text is a record's fields; an alert that cannot be shown is no reason to stop a demo.
func (t *alertTail) text(ctx context.Context, rec *kgo.Record) string {
	id, _, err := schemas.ParseHeader(rec.Value)
	if err == nil {
		if _, known := t.resolver.Cached(id); !known {
			err = t.resolver.Fetch(ctx, id)
		}
	}
	var value any
	if err == nil {
		value, err = schemas.ToJSON(rec.Value, t.resolver)
	}
	if err != nil {
		return fmt.Sprintf("%s: %v", rec.Key, err)
	}
	all, _ := value.(map[string]any)
	var parts []string
	for _, field := range t.fields {
		parts = append(parts, fmt.Sprintf("%s=%v", field, all[field]))
	}
	return strings.Join(parts, "  ")
}

func (t *alertTail) add(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, text)
	t.last = t.last[max(0, len(t.last)-alertsShown):]
}

// newest are the last few, oldest first.
func (t *alertTail) newest() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{}, t.last...)
}
