package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Kinds of topic in a plan.
const (
	TopicInput     = "input"
	TopicTable     = "table"
	TopicGlobal    = "global" // a table that every task reads whole
	TopicOutput    = "output"
	TopicLate      = "late"
	TopicDLQ       = "dlq"
	TopicShed      = "shed"
	TopicTicks     = "ticks"
	TopicChangelog = "changelog"
)

// TopicPlan is one topic that a pipeline needs.
type TopicPlan struct {
	Name       string
	Kind       string
	Partitions int
	Configs    map[string]string // set when Pawl creates it
	Exists     bool
	Fault      string // why it cannot be used as it is, with the mend
}

// Topic configs that the engine's promises rest on.
const (
	changelogMaxBytes = 16 << 20
	dlqSpare          = 64 << 10 // headers that a dead letter adds
	lateSpare         = 1 << 10  // headers that a late record gets
	defaultMaxBytes   = 1048588  // Kafka's default max.message.bytes
	batchOverhead     = 512      // what a batch of one record adds to key and value
)

// changelogName is the changelog topic of a pipeline's sub-topology.
func changelogName(app, pipeline string) string { return app + "-" + pipeline + "-changelog" }

// ChangelogName is the topic that holds the state of an application's pipeline.
func ChangelogName(app, pipeline string) string { return changelogName(app, pipeline) }

// planner works out the topics a pipeline needs on a cluster.
type planner struct {
	cfg    *Config
	pipe   *Pipeline
	topics kadm.TopicDetails
	limits map[string]int // max.message.bytes of existing topics
	count  int            // partitions of the stream inputs
	plans  []TopicPlan
}

func (p *planner) wanted() []TopicPlan {
	app := p.cfg.ApplicationID
	var plans []TopicPlan
	for _, in := range p.pipe.inputs {
		kind := TopicInput
		configs := map[string]string{}
		if in.isTable() {
			kind = TopicTable
			if in.isGlobal() {
				kind = TopicGlobal
			}
			configs["cleanup.policy"] = "compact"
		}
		plans = append(plans, TopicPlan{Name: p.cfg.TopicPrefix + in.topic(), Kind: kind,
			Configs: configs})
	}
	for _, out := range p.pipe.outputs {
		plans = append(plans, TopicPlan{Name: p.cfg.TopicPrefix + out.topic(), Kind: TopicOutput,
			Configs: anyTime()})
	}
	for _, window := range p.pipe.windows {
		c := anyTime()
		c["max.message.bytes"] = strconv.Itoa(p.widest() + lateSpare)
		plans = append(plans, TopicPlan{Name: lateTopic(app, window), Kind: TopicLate, Configs: c})
	}
	dlq := anyTime()
	dlq["max.message.bytes"] = strconv.Itoa(p.widest() + dlqSpare)
	if slices.ContainsFunc(p.pipe.inputs, input.sheds) {
		plans = append(plans, TopicPlan{Name: app + "-shed", Kind: TopicShed,
			Configs: maps.Clone(dlq)})
	}
	ticks := anyTime()
	ticks["retention.ms"] = "-1"
	return append(plans,
		TopicPlan{Name: app + "-dlq", Kind: TopicDLQ, Configs: dlq},
		TopicPlan{Name: app + "-ticks", Kind: TopicTicks, Configs: ticks},
		TopicPlan{Name: changelogName(app, p.pipe.name), Kind: TopicChangelog,
			Configs: map[string]string{"cleanup.policy": "compact",
				"max.message.bytes": strconv.Itoa(changelogMaxBytes)}})
}

func lateTopic(app, window string) string { return app + "-" + window + "-late" }

// anyTime lets records keep their event time however far it is from the broker's clock.
func anyTime() map[string]string {
	return map[string]string{"message.timestamp.after.max.ms": "9223372036854775807"}
}

// widest is the largest record batch that an input may hold, in bytes.
func (p *planner) widest() int {
	n := defaultMaxBytes
	for _, in := range p.pipe.inputs {
		n = max(n, p.limits[p.cfg.TopicPrefix+in.topic()])
	}
	return n
}

// plan fills in what exists and what is wrong with it.
func (p *planner) plan() {
	for _, in := range p.pipe.inputs {
		if d, ok := p.topics[p.cfg.TopicPrefix+in.topic()]; ok && d.Err == nil && !in.isTable() &&
			p.count == 0 {
			p.count = len(d.Partitions)
		}
	}
	p.plans = p.wanted()
	for i := range p.plans {
		t := &p.plans[i]
		t.Partitions = max(p.count, 1)
		if t.Kind == TopicGlobal {
			t.Partitions = 1
		}
		d, ok := p.topics[t.Name]
		t.Exists = ok && d.Err == nil
		have := len(d.Partitions)
		if t.Fault = t.denials(d); t.Fault != "" {
			continue
		}
		switch {
		case !t.Exists && t.Kind == TopicInput:
			t.Fault = "input topic " + t.Name + " does not exist; create it, pawl run never " +
				"creates input topics"
		case !t.Exists && p.cfg.KeepTopics:
			t.Fault = fmt.Sprintf("topic %s does not exist and topics.create is false; create it "+
				"with %d partitions", t.Name, t.Partitions)
		case !t.Exists || p.count == 0:
		case t.exact() && have != p.count:
			t.Fault = fmt.Sprintf("topic %s has %d partitions, but the input has %d; make them "+
				"the same, because a task owns the same partition of both", t.Name, have, p.count)
			if t.Kind == TopicChangelog {
				t.Fault = fmt.Sprintf("topic %s has %d partitions, but the input has %d, so keys "+
					"now belong to other tasks than their state; bring the input back to %d "+
					"partitions, or start over from nothing under a new application.id", t.Name,
					have, p.count, have)
			}
		case t.Kind != TopicOutput && t.Kind != TopicGlobal && have < p.count:
			t.Fault = fmt.Sprintf("topic %s has %d partitions, too few for %d tasks; add "+
				"partitions", t.Name, have, p.count)
		default:
			t.Partitions = have
		}
	}
}

func (t *TopicPlan) exact() bool {
	return t.Kind == TopicInput || t.Kind == TopicTable || t.Kind == TopicChangelog
}

// Plan says which topics the pipeline needs on the cluster, without making any.
func Plan(ctx context.Context, cfg Config, p *Pipeline) ([]TopicPlan, error) {
	cfg.EnsureDefaults()
	in := &Instance{cfg: cfg, pipe: p}
	defer in.closeClients()
	if err := in.connect(ctx); err != nil {
		return nil, err
	}
	pl, err := in.planTopics(ctx)
	if err != nil {
		return nil, err
	}
	return pl.plans, nil
}

func (in *Instance) planTopics(ctx context.Context) (*planner, error) {
	pl := &planner{cfg: &in.cfg, pipe: in.pipe, limits: make(map[string]int)}
	var names []string
	for _, t := range pl.wanted() {
		names = append(names, t.Name)
	}
	topics, err := in.lookUpTopics(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	pl.topics = topics
	var existing []string
	for _, d := range topics {
		switch {
		case d.Err == nil && allows(d, OpDescribeConfigs):
			existing = append(existing, d.Topic)
		case d.Err == nil, errors.Is(d.Err, kerr.UnknownTopicOrPartition), unauthorized(d.Err):
		default:
			return nil, fmt.Errorf("look up topic %s: %w", d.Topic, d.Err)
		}
	}
	if len(existing) > 0 {
		configs, err := in.adm.DescribeTopicConfigs(ctx, existing...)
		if err != nil {
			return nil, fmt.Errorf("read topic configs: %w", err)
		}
		for _, rc := range configs {
			pl.limits[rc.Name] = defaultMaxBytes
			for _, c := range rc.Configs {
				in.noteConfig(pl, rc.Name, c)
			}
		}
	}
	pl.plan()
	return pl, nil
}

func (in *Instance) noteConfig(pl *planner, topic string, c kadm.Config) {
	if c.Value == nil {
		return
	}
	n, err := strconv.Atoi(*c.Value)
	if err != nil {
		return
	}
	switch {
	case c.Key == "max.message.bytes":
		pl.limits[topic] = n
	case c.Key == "delete.retention.ms" &&
		topic == changelogName(in.cfg.ApplicationID, in.pipe.name):
		in.tombstones = time.Duration(n) * time.Millisecond
	}
}

// inputGrace is how long a missing input is looked for before it is called missing.
const inputGrace = 500 * time.Millisecond

func (p *planner) inputMissing() bool {
	return slices.ContainsFunc(p.plans, func(t TopicPlan) bool {
		return t.Kind == TopicInput && !t.Exists
	})
}

// ensureTopics creates what is missing, or lists every fault at once.
func (in *Instance) ensureTopics(ctx context.Context) (*planner, error) {
	pl, err := in.planTopics(ctx)
	// A topic that was created a moment ago may not show on every broker yet.
	for began := time.Now(); err == nil && pl.inputMissing() && time.Since(began) < inputGrace; {
		pause(ctx, 100*time.Millisecond)
		pl, err = in.planTopics(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := pl.faults(); err != nil {
		return nil, err
	}
	created := false
	for _, t := range pl.plans {
		if !t.Exists {
			created = true
			if err := in.create(ctx, t); err != nil {
				return nil, err
			}
		}
	}
	if !created {
		return pl, nil
	}
	if pl, err = in.awaitTopics(ctx); err != nil {
		return nil, err
	}
	return pl, pl.faults() // what is allowed shows on a topic that is there
}

// faults are those of all topics.
func (p *planner) faults() error {
	var faults []error
	for _, t := range p.plans {
		if t.Fault != "" {
			faults = append(faults, errors.New(t.Fault))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &StartError{errors.Join(faults...)}
}

func (in *Instance) create(ctx context.Context, t TopicPlan) error {
	configs := make(map[string]*string, len(t.Configs))
	for k, v := range t.Configs {
		configs[k] = &v
	}
	_, err := in.adm.CreateTopic(ctx, int32(t.Partitions), in.cfg.ReplicationFactor, configs,
		t.Name)
	if errors.Is(err, kerr.InvalidConfig) {
		// Brokers before 3.6 do not know message.timestamp.after.max.ms.
		delete(configs, "message.timestamp.after.max.ms")
		_, err = in.adm.CreateTopic(ctx, int32(t.Partitions), in.cfg.ReplicationFactor, configs,
			t.Name)
	}
	if unauthorized(err) {
		return &StartError{denied(err, ResourceTopic, t.Name, OpCreate)}
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s with %d partitions: %w", t.Name, t.Partitions, err)
	}
	return nil
}

// awaitTopics waits until the cluster shows what was created: another instance may be creating the
// same topics, and metadata lags.
func (in *Instance) awaitTopics(ctx context.Context) (*planner, error) {
	for {
		pl, err := in.planTopics(ctx)
		if err != nil {
			return nil, err
		}
		missing := ""
		for _, t := range pl.plans {
			if !t.Exists {
				missing = t.Name
			}
		}
		if missing == "" {
			return pl, nil
		}
		pause(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("topic %s was created but does not show: %w", missing, ctx.Err())
		}
	}
}
