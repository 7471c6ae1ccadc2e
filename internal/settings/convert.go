package settings

import (
	"net/url"
	"time"

	"pawl/checkpoint"
	"pawl/internal/security"
	"pawl/processor"
	"pawl/schemas"
)

// Registry is how to reach the schema registry. Credentials that stand in the URL are taken out
// of it, so that no message shows them.
func (s *Settings) Registry() schemas.ClientConfig {
	r := s.RegistrySecurity()
	return schemas.ClientConfig{URL: r.URL, User: r.User, Password: r.Password, Secret: r.Secret,
		Bearer: r.Token, TLS: r.TLS}
}

// RegistrySecurity is how the registry is protected and what we authenticate with.
func (s *Settings) RegistrySecurity() *security.Registry {
	r := &security.Registry{
		URL:          s.Text("schema.registry.url"),
		CA:           s.Text("schema.registry.ssl.ca.location"),
		Certificate:  s.Text("schema.registry.ssl.certificate.location"),
		Key:          s.Text("schema.registry.ssl.key.location"),
		ServerName:   s.Text("schema.registry.ssl.server.name"),
		User:         s.Text("schema.registry.user"),
		Password:     s.Text("schema.registry.password"),
		PasswordFile: s.Text("schema.registry.secret.location"),
		Bearer:       s.Text("schema.registry.bearer.token"),
		BearerFile:   s.Text("schema.registry.bearer.location"),
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.User == nil {
		return r
	}
	if r.User == "" {
		r.User = u.User.Username()
		r.Password, _ = u.User.Password()
	}
	u.User = nil
	r.URL = u.String()
	return r
}

// Security is how brokers are reached.
func (s *Settings) Security() *security.Config {
	return &security.Config{
		Protocol:     s.Text("security.protocol"),
		CA:           s.Text("ssl.ca.location"),
		Certificate:  s.Text("ssl.certificate.location"),
		Key:          s.Text("ssl.key.location"),
		ServerName:   s.Text("ssl.server.name"),
		Mechanism:    s.Text("sasl.mechanism"),
		User:         s.Text("sasl.username"),
		Password:     s.Text("sasl.password"),
		PasswordFile: s.Text("sasl.secret.location"),
		OAuth: security.OAuth{
			TokenFile:    s.Text("sasl.oauthbearer.token.location"),
			URL:          s.Text("sasl.oauthbearer.token.endpoint.url"),
			ClientID:     s.Text("sasl.oauthbearer.client.id"),
			ClientSecret: s.Text("sasl.oauthbearer.client.secret"),
			Scope:        s.Text("sasl.oauthbearer.scope"),
		},
	}
}

// Processor is the engine's configuration with its defaults filled in. Registry stays nil while no
// URL is set, which Validate reports.
func (s *Settings) Processor() processor.Config {
	cfg := processor.Config{
		ApplicationID:       s.Text("application.id"),
		InstanceID:          s.Text("instance.id"),
		Brokers:             s.List("bootstrap.servers"),
		ReadOnlyRegistry:    !s.Bool("auto.register.schemas"),
		KeepTopics:          !s.Bool("topics.create"),
		TopicPrefix:         s.Text("topic.prefix"),
		SubjectStrategy:     schemas.SubjectStrategy(s.Text("subject.name.strategy")),
		ReplicationFactor:   int16(s.Int("replication.factor")),
		Compression:         s.Text("compression.type"),
		Rack:                s.Text("client.rack"),
		Fetch:               s.fetch(),
		DeadLetterRatio:     someShare(s.Float("deadletter.breaker.ratio")),
		DeadLetterSpan:      s.Int("deadletter.breaker.records"),
		StateDir:            s.Text("state.dir"),
		CommitInterval:      s.Duration("commit.interval"),
		CommitLinger:        s.CommitLinger(),
		SessionTimeout:      s.Duration("session.timeout"),
		TransactionTimeout:  s.Duration("transaction.timeout"),
		StartupTimeout:      notZero(s.Duration("startup.timeout")),
		MaxOutOfOrderness:   minus(s.Duration("max.out.of.orderness")),
		MaxFutureSkew:       notZero(s.Duration("max.future.skew")),
		IdleTimeout:         s.durationOrOff("idle.timeout"),
		MemoryMax:           s.Bytes("memory.max"),
		UncommittedMaxBytes: s.Bytes("statestore.uncommitted.max.bytes"),
		Standbys:            int(s.Int("num.standby.replicas")),
		Warmups:             int(s.Int("max.warmup.replicas")),
		AcceptableLag:       someLag(s.Int("acceptable.recovery.lag")),
		NoProvenance:        !s.Bool("provenance.header"),
		NoHotKeys:           !s.Bool("hot.keys"),
		KafkaOptions:        s.Security().Options(),
	}
	if s.Text("schema.registry.url") != "" {
		cfg.Registry = schemas.NewClient(s.Registry())
	}
	cfg.EnsureDefaults()
	return cfg
}

func (s *Settings) fetch() processor.Fetch {
	return processor.Fetch{
		MinBytes:          s.Bytes("fetch.min.bytes"),
		MaxWait:           s.Duration("fetch.max.wait"),
		MaxBytes:          s.Bytes("fetch.max.bytes"),
		MaxPartitionBytes: s.Bytes("max.partition.fetch.bytes"),
	}
}

// Checkpoint says where checkpoints are kept, with its defaults filled in.
func (s *Settings) Checkpoint() checkpoint.Config {
	cfg := checkpoint.Config{
		URL:      s.Text("checkpoint.url"),
		Keys:     s.Text("checkpoint.encryption.key"),
		KeysFile: s.Text("checkpoint.encryption.location"),
		Interval: s.Duration("checkpoint.interval"),
		OnStop:   s.Bool("checkpoint.on.stop"),
		Policy: checkpoint.Policy{
			Keep:    int(s.Int("checkpoint.keep.last")),
			KeepFor: s.Duration("checkpoint.keep.for"),
			Grace:   s.Duration("checkpoint.grace"),
		},
		Limits: checkpoint.Limits{
			Parallelism: int(s.Int("checkpoint.parallelism")),
			Bandwidth:   s.Bytes("checkpoint.bandwidth"),
		},
	}
	cfg.EnsureDefaults()
	return cfg
}

// CommitLinger is the setting commit.linger, 0 for auto and negative for none.
func (s *Settings) CommitLinger() time.Duration {
	if s.Text("commit.linger") == "auto" {
		return 0
	}
	return minus(s.Duration("commit.linger"))
}

// durationOrOff is negative for off.
func (s *Settings) durationOrOff(name string) time.Duration {
	if s.Text(name) == "off" {
		return -1
	}
	return s.Duration(name)
}

// minus says an explicit 0 to a field whose zero value means its default.
func minus(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// someLag says an explicit 0 to a field whose zero value means its default.
func someLag(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}

// someShare says an explicit 0 to a field whose zero value means its default.
func someShare(v float64) float64 {
	if v == 0 {
		return -1
	}
	return v
}

// notZero says an explicit 0 to a field that knows no negative value; a nanosecond is below what
// any of them can tell from nothing.
func notZero(d time.Duration) time.Duration {
	return max(d, time.Nanosecond)
}
