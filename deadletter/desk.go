package deadletter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/schemas"
)

// Desk is where an application's dead letters are handled. It may be used by many at a time;
// retries and discards are done one after the other.
type Desk struct {
	o        Options
	topic    string // of the dead letters
	handled  string // of the markers
	source   *verify.Kafka
	client   *kgo.Client
	adm      *kadm.Client
	resolver *schemas.Resolver // nil without a registry
	acting   chan struct{}     // holds one token: whose turn it is to write
	reading  chan struct{}     // the same: lists are read one after the other
	looking  chan struct{}     // the same: so are markers; it guards next and incarnation

	next        int64        // where the markers are read on
	incarnation kadm.TopicID // of their topic

	mu      sync.Mutex
	markers map[string]Marker // by key
}

// Open makes a desk. Nothing is asked of the cluster yet.
func Open(o Options) (*Desk, error) {
	if err := o.ensureDefaults(); err != nil {
		return nil, err
	}
	// What a client knows of a topic may not be older than what another one just did with it.
	o.Kafka = append([]kgo.Opt{kgo.MetadataMinAge(100 * time.Millisecond)}, o.Kafka...)
	source, err := verify.NewKafka(o.ApplicationID, o.Kafka...)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(o.Kafka...)
	if err != nil {
		source.Close()
		return nil, fmt.Errorf("make client: %w", err)
	}
	d := &Desk{o: o, topic: Topic(o.ApplicationID), handled: HandledTopic(o.ApplicationID),
		source: source, client: client, adm: kadm.NewClient(client),
		acting: make(chan struct{}, 1), reading: make(chan struct{}, 1),
		looking: make(chan struct{}, 1), markers: make(map[string]Marker)}
	if o.Registry != nil {
		d.resolver = schemas.NewResolver(o.Registry)
	}
	return d, nil
}

// Close closes the connections.
func (d *Desk) Close() {
	d.client.Close()
	d.source.Close()
}

// turn waits for a token; give it back by calling done.
func turn(ctx context.Context, token chan struct{}) (done func(), err error) {
	select {
	case token <- struct{}{}:
		return func() { <-token }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// bounds are where the dead letters of each partition begin and end.
func (d *Desk) bounds(ctx context.Context) ([]verify.Bounds, error) {
	b, err := d.source.Bounds(ctx, d.topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, &MissingError{Topic: d.topic, Application: d.o.ApplicationID}
	}
	return b, err
}

// MissingError says that an application has no dead-letter topic.
type MissingError struct{ Topic, Application string }

// Error says what mends it.
func (e *MissingError) Error() string {
	return fmt.Sprintf("topic %s does not exist; has application %s ever run on this cluster, "+
		"under this application.id?", e.Topic, e.Application)
}
