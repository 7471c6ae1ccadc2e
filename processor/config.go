package processor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/statestore"
)

// Config holds the settings of one instance. The zero value of a field means its default, which
// EnsureDefaults fills in; Validate reports every fault at once.
type Config struct {
	// ApplicationID is the consumer group, the prefix of internal topics and of the transactional
	// id. Required.
	ApplicationID string
	// InstanceID distinguishes instances of one application; stable across restarts. Default: a
	// random id kept in StateDir.
	InstanceID string
	// Brokers are the bootstrap addresses, host:port. Required.
	Brokers []string
	// Registry gives schemas their ids. Required.
	Registry schemas.Registry
	// ReadOnlyRegistry makes schemas be looked up, never registered (auto.register.schemas: false).
	ReadOnlyRegistry bool
	// KeepTopics forbids creating topics (topics.create: false): missing ones are an error.
	KeepTopics bool
	// ReplicationFactor of topics created. Default -1, the broker's own default.
	ReplicationFactor int16
	// StateDir holds the stores, one folder per application and task. Required.
	StateDir string
	// CommitInterval bounds how long an epoch grows under load. Default 100ms.
	CommitInterval time.Duration
	// CommitLinger is how old an epoch must be before it is committed although nothing is left to
	// process; more costs latency and saves the cluster transactions. It does not go beyond
	// CommitInterval. Default: what the pipeline asks for with Linger; negative: 0.
	CommitLinger time.Duration
	// SessionTimeout after which the group gives a silent instance's tasks away. Default 10s.
	SessionTimeout time.Duration
	// TransactionTimeout after which the broker aborts an open transaction. Default 15s.
	TransactionTimeout time.Duration
	// StartupTimeout bounds the retries while broker or registry are unreachable. Default 10s.
	StartupTimeout time.Duration
	// MaxOutOfOrderness is how far behind the highest event time a record may come and still be
	// in time. Default 2s; negative means 0.
	MaxOutOfOrderness time.Duration
	// MaxFutureSkew is how far an event time may run ahead of its record's Kafka timestamp before
	// the record is dead-lettered. Default 1h.
	MaxFutureSkew time.Duration
	// MemoryMax is the budget in bytes for block cache, overlays and fetch buffers. Default:
	// half of the container's or the machine's memory, at most 2 GiB.
	MemoryMax int64
	// IdleTimeout is after how long without a record the watermark moves on by itself, with the
	// clock, so that what waits for it ends. Default 30 s; negative: never.
	IdleTimeout time.Duration
	// UncommittedMaxBytes seals an epoch early. Default: an eighth of MemoryMax, at most 24 MiB.
	UncommittedMaxBytes int64
	// Standbys is how many other instances keep a copy of each task's state. Default 0.
	Standbys int
	// Warmups is how many tasks at a time are copied to the instance they are to move to, when its
	// copy is too far behind to move them at once. Default 2.
	Warmups int
	// AcceptableLag is how many changelog records a copy may lack and still count as caught up.
	// Default 10000; negative means 0.
	AcceptableLag int64
	// TopicPrefix is put before the names of all input and output topics of the pipeline.
	TopicPrefix string
	// SubjectStrategy says under which subjects the schemas of inputs and outputs stand. Default
	// schemas.TopicName. Those of state and of Pawl's own records are always `<topic>-<record>`.
	SubjectStrategy schemas.SubjectStrategy
	// NoProvenance leaves out the header that names each output's input record.
	NoProvenance bool
	// NoHotKeys keeps the keys that take the most of a task's records out of its status.
	NoHotKeys bool
	// Compression of produced batches: none, gzip, snappy, lz4 or zstd. Default snappy.
	Compression string
	// Rack names where the instance is; brokers that know their racks let it read inputs and
	// changelogs from a replica in the same one. Default "": from the leaders.
	Rack string
	// Fetch says how inputs are asked for.
	Fetch Fetch
	// DeadLetterRatio is the share of an input's latest records that may be dead letters; one more
	// stops the task, before its epoch is committed. Default 0.5; negative means 0, and 1 never
	// stops it.
	DeadLetterRatio float64
	// DeadLetterSpan is how many latest records that is a share of. Default 100.
	DeadLetterSpan int64
	// Advertise is host:port at which the other instances reach this one's HTTP; "" for nowhere.
	Advertise string
	// Dialer opens broker connections; default a plain TCP dial.
	Dialer func(ctx context.Context, network, host string) (net.Conn, error)
	// KafkaOptions are appended to every client's options (TLS, SASL).
	KafkaOptions []kgo.Opt
	// ClientOptions, when set, gives further options for the clients of one role: group, fetch,
	// produce, admin or restore. It is asked for each client that is made.
	ClientOptions func(role string) []kgo.Opt
	// Tracer, when set, follows chosen records.
	Tracer Tracer
	// Listeners are told what happens.
	Listeners []Listener
	// Point, when set, is called as the instance passes each named point (see Points), so that a
	// test can kill the process exactly there. It must return quickly.
	Point func(name string)
	// Stores, when set, opens what the stores stand on instead of the machine's disk: a block cache
	// of cacheBytes for all of them, and whom to tell of a fault after which the instance must end.
	// A simulation puts a disk in memory under them; the lock of StateDir stays where it is.
	Stores func(cacheBytes int64, fail func(error)) *statestore.Env

	// Checkpoints says where copies of the stores are kept; the zero value: nowhere.
	Checkpoints Checkpoints

	// watchEvery is how often it is looked whether global topics were given new partitions.
	watchEvery time.Duration
	// checkEvery is how often a standby's digest is compared with its position record's.
	checkEvery time.Duration
}

// EnsureDefaults replaces zero values by their defaults.
func (c *Config) EnsureDefaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.CommitInterval, 100*time.Millisecond)
	def(&c.SessionTimeout, 10*time.Second)
	def(&c.TransactionTimeout, 15*time.Second)
	def(&c.StartupTimeout, 10*time.Second)
	def(&c.MaxOutOfOrderness, 2*time.Second)
	def(&c.MaxFutureSkew, time.Hour)
	def(&c.IdleTimeout, 30*time.Second)
	def(&c.watchEvery, watchEvery)
	def(&c.checkEvery, checkEvery)
	if c.Warmups == 0 {
		c.Warmups = 2
	}
	if c.AcceptableLag == 0 {
		c.AcceptableLag = 10_000
	}
	c.Checkpoints.ensureDefaults()
	if c.ReplicationFactor == 0 {
		c.ReplicationFactor = -1
	}
	if c.MemoryMax == 0 {
		c.MemoryMax = defaultMemory()
	}
	if c.UncommittedMaxBytes == 0 {
		c.UncommittedMaxBytes = min(c.MemoryMax/8, 24<<20)
	}
	c.Fetch.ensureDefaults(c.MemoryMax)
	if c.DeadLetterRatio == 0 {
		c.DeadLetterRatio = 0.5
	}
	if c.DeadLetterSpan == 0 {
		c.DeadLetterSpan = 100
	}
	if c.Compression == "" {
		c.Compression = "snappy"
	}
	if c.Stores == nil {
		c.Stores = func(cacheBytes int64, fail func(error)) *statestore.Env {
			return statestore.NewEnv(nil, cacheBytes, fail)
		}
	}
	if c.Point == nil {
		c.Point = func(string) {}
	}
}

// minMemory is the least budget with which an instance can hold one epoch, one fetch and a cache.
const minMemory = 32 << 20

// More copies than this, or more on their way at once, is a slip of the pen.
const (
	maxStandbys = 100
	maxWarmups  = 1000
)

// Validate reports all faults of c together, each as "key=value: what is wrong; mend".
func (c *Config) Validate() error {
	var faults []error
	fault := func(key string, value any, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s=%v: %s", key, value, fmt.Sprintf(format, args...)))
	}
	if err := validName(c.ApplicationID); err != nil {
		fault("application.id", c.ApplicationID, "%v", err)
	}
	if c.InstanceID != "" {
		if err := validName(c.InstanceID); err != nil {
			fault("instance.id", c.InstanceID, "%v", err)
		}
	}
	if len(c.Brokers) == 0 {
		fault("bootstrap.servers", "", "no broker address; give host:port, comma separated")
	}
	for _, b := range c.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			fault("bootstrap.servers", b, "not host:port; write for example 127.0.0.1:9092")
		}
	}
	if c.Registry == nil {
		fault("schema.registry.url", "", "no schema registry; give its URL")
	}
	if c.StateDir == "" {
		fault("state.dir", "", "no state directory; give a folder on a local disk")
	}
	c.validateTimes(fault)
	if c.Standbys < 0 || c.Standbys > maxStandbys {
		fault("num.standby.replicas", c.Standbys, "is out of range; give 0 to %d", maxStandbys)
	}
	if c.Warmups < 1 || c.Warmups > maxWarmups {
		fault("max.warmup.replicas", c.Warmups, "is out of range; give 1 to %d", maxWarmups)
	}
	if c.MemoryMax < minMemory {
		fault("memory.max", c.MemoryMax, "below %d bytes; give at least 32MiB", minMemory)
	}
	if c.UncommittedMaxBytes < 1<<20 || c.UncommittedMaxBytes > c.MemoryMax/2 {
		fault("statestore.uncommitted.max.bytes", c.UncommittedMaxBytes,
			"must lie between 1MiB and half of memory.max (%d bytes); give less, or auto",
			c.MemoryMax/2)
	}
	c.Fetch.validate(fault)
	if c.DeadLetterRatio > 1 {
		fault("deadletter.breaker.ratio", c.DeadLetterRatio, "is no share; give 0 to 1")
	}
	if c.DeadLetterSpan < 1 || c.DeadLetterSpan > maxDeathSpan {
		fault("deadletter.breaker.records", c.DeadLetterSpan, "is out of range; give 1 to %d",
			maxDeathSpan)
	}
	if _, err := compression(c.Compression); err != nil {
		fault("compression.type", c.Compression, "%v", err)
	}
	return errors.Join(append(faults, c.Checkpoints.validate(c.ApplicationID))...)
}

func (c *Config) validateTimes(fault func(key string, value any, format string, args ...any)) {
	positive := func(key string, d time.Duration, low, high time.Duration) {
		if d < low || d > high {
			fault(key, d, "must lie between %v and %v; give a time in that range", low, high)
		}
	}
	positive("commit.interval", c.CommitInterval, time.Millisecond, time.Minute)
	positive("session.timeout", c.SessionTimeout, time.Second, 30*time.Minute)
	positive("transaction.timeout", c.TransactionTimeout, time.Second, 15*time.Minute)
	positive("startup.timeout", c.StartupTimeout, 0, time.Hour)
	positive("max.out.of.orderness", max(c.MaxOutOfOrderness, 0), 0, 366*24*time.Hour)
	positive("max.future.skew", c.MaxFutureSkew, 0, 366*24*time.Hour)
	if c.TransactionTimeout < 2*c.CommitInterval {
		fault("transaction.timeout", c.TransactionTimeout,
			"is less than twice commit.interval (%v); give more, or a shorter interval",
			c.CommitInterval)
	}
}

// validName accepts what Kafka accepts as part of a topic name.
func validName(s string) error {
	if s == "" {
		return errors.New("is empty; give a name of letters, digits, '.', '_' and '-'")
	}
	if len(s) > 180 {
		return errors.New("is longer than 180 characters; shorten it")
	}
	bad := strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			r == '.' || r == '_' || r == '-')
	})
	if bad >= 0 {
		return fmt.Errorf("has %q; use letters, digits, '.', '_' and '-' only", s[bad:bad+1])
	}
	return nil
}

func compression(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "none":
		return kgo.NoCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	}
	return kgo.CompressionCodec{}, errors.New("unknown; use none, gzip, snappy, lz4 or zstd")
}
