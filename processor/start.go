package processor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// Start checks everything that can be checked, creates what is missing, joins the group and
// returns while the instance goes on. Unreachable servers are retried for StartupTimeout; any
// other fault is a *StartError at once.
func Start(ctx context.Context, cfg Config, p *Pipeline) (*Instance, error) {
	cfg.EnsureDefaults()
	if err := errors.Join(cfg.Validate(), p.Validate()); err != nil {
		return nil, &StartError{err}
	}
	in := &Instance{cfg: cfg, pipe: p, infos: sync.OnceValue(p.Tables), group: newGroup(),
		done: make(chan struct{}), wake: make(chan struct{}, 1), timer: time.NewTimer(time.Hour),
		slots: make(map[int32]*slot), statuses: make(map[int32]*taskInfo),
		uploading: make(chan struct{}, 1), restores: make(chan struct{}, restoreTurns()),
		tombstones: 24 * time.Hour, state: InstanceStateInfo{State: "CREATED"}}
	in.standbys = newStandbys(in)
	in.startup.began = time.Now()
	in.ctx, in.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := in.prepare(ctx); err != nil {
		in.cancel(err)
		in.dispose()
		return nil, err
	}
	in.notice("exactly-once promise: %s", in.promise())
	in.background(func() { in.fetch.run(in.ctx) })
	in.background(in.holdMembership)
	if len(in.bind.topics(true)) > len(in.bind.topics(false)) {
		in.background(func() { in.watchGlobals(in.ctx) })
	}
	go in.loop()
	return in, nil
}

// prepare binds the pipeline to the cluster, in the order in which faults are cheapest to find.
func (in *Instance) prepare(ctx context.Context) error {
	in.stateDir = filepath.Join(in.cfg.StateDir, in.cfg.ApplicationID)
	var err error
	if in.lock, err = statestore.Acquire(in.stateDir); err != nil {
		return &StartError{err}
	}
	if err := in.identify(); err != nil {
		return &StartError{err}
	}
	in.tell(func(l *Listener) {
		if l.InstanceState != nil {
			l.InstanceState(InstanceStateInfo{State: "CREATED", Instance: in.cfg.InstanceID})
		}
	})
	in.env = in.cfg.Stores(in.blockCacheBytes(), in.die)
	if err := in.removeCopies(); err != nil {
		return &StartError{err}
	}
	in.startup.done(stepDirectory)
	if err := in.connect(ctx); err != nil {
		return err
	}
	in.startup.done(stepBrokers)
	start, cancel := context.WithTimeout(ctx, max(in.cfg.StartupTimeout, time.Second))
	defer cancel()
	pl, err := in.ensureTopics(start)
	if err != nil {
		return err
	}
	in.startup.done(stepTopics)
	if err := in.bindSchemas(ctx, pl); err != nil {
		return err
	}
	in.startup.done(stepSchemas)
	in.limits = pl.limits
	if in.prod, err = newProducer(ctx, in); err != nil {
		if denial(err) != nil {
			return &StartError{err}
		}
		return err
	}
	in.startup.done(stepProducer)
	if in.fetch, err = newFetcher(in); err != nil {
		return err
	}
	in.findCopies()
	in.member, err = in.newMember()
	return err
}

// dispose gives back what a failed start had taken.
func (in *Instance) dispose() {
	in.closeClients()
	in.tasks.Wait()
	if in.env != nil {
		in.env.Close()
	}
	if in.lock != nil {
		_ = in.lock.Release() // the process ends anyway
	}
}

// identify finds the instance id: from the settings, or a random one kept in the state directory,
// so that a restart aborts its own orphaned transaction and takes its tasks up again.
func (in *Instance) identify() error {
	if in.cfg.InstanceID != "" {
		return nil
	}
	path := filepath.Join(in.stateDir, "instance.id")
	b, err := os.ReadFile(path)
	if err == nil && validName(strings.TrimSpace(string(b))) == nil {
		in.cfg.InstanceID = strings.TrimSpace(string(b))
		return nil
	}
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("read instance id: %w; give instance.id or mend state.dir", err)
	}
	var raw [6]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return fmt.Errorf("make instance id: %w", err)
	}
	in.cfg.InstanceID = hex.EncodeToString(raw[:])
	if err := os.WriteFile(path, []byte(in.cfg.InstanceID+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep instance id: %w; give instance.id or a writable state.dir", err)
	}
	return nil
}

// baseOptions are common to all Kafka clients of the instance.
func (in *Instance) baseOptions(role string) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(in.cfg.Brokers...),
		kgo.ClientID("pawl-" + in.cfg.ApplicationID + "-" + role),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.MetadataMaxAge(time.Minute),
		kgo.RetryBackoffFn(retryBackoff),
	}
	if in.cfg.Rack != "" {
		opts = append(opts, kgo.Rack(in.cfg.Rack))
	}
	if in.cfg.Dialer != nil {
		opts = append(opts, kgo.Dialer(in.cfg.Dialer))
	}
	if in.admin != nil && !in.txnV2 {
		// On a cluster at transaction.version 1 the newer requests would go out as version 2.
		v := kversion.Stable()
		v.SetMaxKeyVersion((&kmsg.ProduceRequest{}).Key(), 11)
		v.SetMaxKeyVersion((&kmsg.EndTxnRequest{}).Key(), 4)
		v.SetMaxKeyVersion((&kmsg.TxnOffsetCommitRequest{}).Key(), 4)
		opts = append(opts, kgo.MaxVersions(v))
	}
	return opts
}

func retryBackoff(tries int) time.Duration {
	return min(20*time.Millisecond<<min(tries, 6), time.Second)
}

// connect makes the admin client and waits until a broker answers.
func (in *Instance) connect(ctx context.Context) error {
	cl, err := in.client("admin")
	if err != nil {
		return &StartError{err}
	}
	in.adm = kadm.NewClient(cl)
	broker := "broker " + strings.Join(in.cfg.Brokers, ",")
	err = in.untilStarted(ctx, broker, func(try context.Context) error {
		v, err := in.transactionVersion(try, cl)
		in.txnV2 = v >= 2
		if refused(err) {
			return &StartError{fmt.Errorf("%s and this instance do not come together: %w; check "+
				"security.protocol and the settings of ssl and sasl", broker, err)}
		}
		return err
	})
	in.admin = cl
	return err
}

// untilStarted retries what must answer before the start, for StartupTimeout.
func (in *Instance) untilStarted(ctx context.Context, what string,
	try func(context.Context) error) error {
	began := time.Now()
	deadline := began.Add(in.cfg.StartupTimeout)
	for {
		one, cancel := context.WithTimeout(ctx, max(min(time.Until(deadline), 5*time.Second),
			100*time.Millisecond))
		err := try(one)
		cancel()
		var final *StartError
		switch {
		case err == nil || errors.As(err, &final) || ctx.Err() != nil:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("%s cannot be reached (tried for %v, startup.timeout): %w; check "+
				"the address and that it is up", what, in.cfg.StartupTimeout, err)
		}
		in.waiting("", what, time.Since(began))
		pause(ctx, 250*time.Millisecond)
	}
}

// transactionVersion asks a broker for the cluster's finalized transaction.version.
func (in *Instance) transactionVersion(ctx context.Context, cl *kgo.Client) (int16, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "pawl", "1"
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return 0, err
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel, nil
		}
	}
	return 0, nil
}

// bindSchemas gives every schema its id and builds the binding.
func (in *Instance) bindSchemas(ctx context.Context, pl *planner) error {
	b := &binding{app: in.cfg.ApplicationID, pipeline: in.pipe, provenance: !in.cfg.NoProvenance,
		resolver: schemas.NewResolver(in.cfg.Registry), partitions: int32(pl.count),
		disorder: max(in.cfg.MaxOutOfOrderness, 0).Milliseconds(),
		maxSkew:  in.cfg.MaxFutureSkew.Milliseconds(),
		breaker:  newBreaker(&in.cfg)}
	in.bind = b
	topic := func(name string) boundTopic {
		return boundTopic{name: name, maxBytes: pl.limits[name] - batchOverhead}
	}
	for _, t := range pl.plans {
		switch t.Kind {
		case TopicDLQ:
			b.dlq = topic(t.Name)
		case TopicShed:
			b.shed = topic(t.Name)
		case TopicTicks:
			b.ticks = t.Name
		case TopicChangelog:
			b.changelog, b.changelogID = topic(t.Name), [16]byte(pl.topics[t.Name].ID)
		}
	}
	return in.untilStarted(ctx, "schema registry", func(try context.Context) error {
		found := in.lookUp(try, func(bind bindFunc) error {
			return in.bindAll(bind, &binding{app: b.app, ticks: b.ticks,
				changelog: b.changelog}, pl, topic)
		})
		b.inputs, b.outputs, b.windows, b.tableIDs = nil, nil, nil, nil
		err := in.bindAll(in.binder(try, found), b, pl, topic)
		var clash *schemas.IncompatibleError
		if errors.As(err, &clash) || errors.Is(err, schemas.ErrNotFound) ||
			errors.Is(err, schemas.ErrDenied) {
			return &StartError{err}
		}
		return err
	})
}

// bindAll binds the schemas of inputs, outputs, tables and internal records.
func (in *Instance) bindAll(bind bindFunc, b *binding, pl *planner,
	topic func(string) boundTopic) error {
	for source, i := range in.pipe.inputs {
		name := in.cfg.TopicPrefix + i.topic()
		if _, err := in.bindValue(bind, name, i.text()); err != nil {
			return err
		}
		b.bindInput(source, i, pl.topics[name])
	}
	for _, window := range in.pipe.windows {
		b.windows = append(b.windows, topic(lateTopic(b.app, window)))
	}
	for _, o := range in.pipe.outputs {
		name := in.cfg.TopicPrefix + o.topic()
		id, err := in.bindValue(bind, name, o.text())
		if err != nil {
			return err
		}
		b.outputs = append(b.outputs, boundOutput{topic(name),
			int32(len(pl.topics[name].Partitions)), id})
	}
	for _, t := range in.pipe.tables {
		id, err := bind(b.changelog.name+"-"+t.schemaName(), t.text())
		if err != nil {
			return err
		}
		b.tableIDs = append(b.tableIDs, id)
	}
	var err error
	own := func(id *int32, subject, text string) {
		if err == nil {
			*id, err = bind(subject, text)
		}
	}
	position, claim, tick := record.PositionType(), record.ClaimType(), record.TickType()
	own(&b.positionID, b.changelog.name+"-"+position.Name(), position.String())
	own(&b.claimID, b.changelog.name+"-"+claim.Name(), claim.String())
	own(&b.tickID, b.ticks+"-value", tick.String())
	return err
}

// bindInput adds an input's partition, or all of a global one.
func (b *binding) bindInput(source int, i input, d kadm.TopicDetail) {
	bound := boundInput{topic: d.Topic, id: [16]byte(d.ID), topicID: d.ID.String(),
		table: i.isTable(), source: source, global: i.isGlobal()}
	if !bound.global {
		b.inputs = append(b.inputs, bound)
		return
	}
	bound.partitions = int32(len(d.Partitions))
	for bound.partition = range bound.partitions {
		b.inputs = append(b.inputs, bound)
	}
}

// topics are the inputs' topics, once each, with the global ones or without.
func (b *binding) topics(global bool) []string {
	var names []string
	for _, in := range b.inputs {
		if (global || !in.global) && !slices.Contains(names, in.topic) {
			names = append(names, in.topic)
		}
	}
	return names
}

// batchLimit is the largest batch that a topic takes, in bytes.
func (in *Instance) batchLimit(topic string) int32 {
	if n := in.limits[topic]; n > 0 {
		return int32(n)
	}
	return defaultMaxBytes
}
