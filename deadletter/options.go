package deadletter

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

// DefaultMaxAttempts is how often a record is tried at most, the first time included.
const DefaultMaxAttempts = 5

// Options say whose dead letters, and how they are handled.
type Options struct {
	ApplicationID string
	// Kafka are the options that lead to the cluster: brokers, dialer, TLS.
	Kafka []kgo.Opt
	// Registry has the schemas of values; nil: values are shown as bytes.
	Registry schemas.Registry
	// KeepTopics says that the topic of the markers is not created when it is missing.
	KeepTopics bool
	// ReplicationFactor of that topic. Default -1, the broker's.
	ReplicationFactor int16
	// TransactionTimeout is when the broker aborts what was left open. Default 15s.
	TransactionTimeout time.Duration
	// Batch is how many dead letters share a transaction. Default 100.
	Batch int
	// Progress, when set, is called now and then with the offsets read so far, and how many are
	// known to be read.
	Progress func(done, total int64)
	// Passed is a point of death for tests, see Points.
	Passed func(name string)
}

// Points are the names that Options.Passed is called with, in the order in which each transaction
// passes them.
func Points() []string {
	return []string{
		"deadletter-fenced",  // what was left open has ended, nothing is sent
		"deadletter-begun",   // a record is in an open transaction, its marker is not
		"deadletter-flushed", // all records and markers are
		"deadletter-sent",    // EndTxn is under way: either outcome
		"deadletter-ended",   // committed
	}
}

func (o *Options) ensureDefaults() error {
	if o.ApplicationID == "" {
		return errors.New("dead letters: give an application id")
	}
	if o.ReplicationFactor == 0 {
		o.ReplicationFactor = -1
	}
	if o.TransactionTimeout == 0 {
		o.TransactionTimeout = 15 * time.Second
	}
	if o.Batch <= 0 {
		o.Batch = 100
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Passed == nil {
		o.Passed = func(string) {}
	}
	return nil
}

// Topic is the dead-letter topic of an application.
func Topic(application string) string { return application + "-dlq" }

// HandledTopic is the topic with the markers of an application.
func HandledTopic(application string) string { return application + "-dead-letters-handled" }
