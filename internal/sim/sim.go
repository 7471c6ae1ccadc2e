package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"pawl/checkpoint"
	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/processor"
)

// App is a pipeline to be simulated, with what it takes to judge it.
type App struct {
	Name string
	New  func() *processor.Pipeline // of each process anew
	Spec verify.Spec
	// Load makes the input; records arrive from start on, in event time.
	Load func(seed uint64, start time.Time) loadgen.Generator
	// Records of the load's first topic; those of its other topics come along.
	Records int
	// Settings, when set, changes the settings of an instance, such as its disorder.
	Settings func(*processor.Config)
}

// Config says what to simulate. The zero value of a field means that the seed decides.
type Config struct {
	Seed       uint64
	App        App
	Dir        string // an empty folder on a real disk, for locks
	Instances  int
	Partitions int
	Brokers    int
	// TransactionVersion is 1 or 2.
	TransactionVersion int
	Session            time.Duration
	Transaction        time.Duration
	Rebalance          time.Duration
	Idle               time.Duration // after which event time moves on by itself
	Commit             time.Duration // how long an epoch grows under load
	// Steps of the run: at each some input arrives and something befalls the system.
	Steps int
	// Calm leaves out all faults.
	Calm bool
}

// Report is what came of a run.
type Report struct {
	Seed      uint64
	App       string
	Faults    map[string]int // that took effect, by kind
	Points    map[string]int // of the contract, how often they were passed
	Crashes   int
	Epochs    int
	Aborted   int
	Unsettled int // aborted epochs whose end was not confirmed
	// Checkpoints are the attempts at one, by what became of them.
	Checkpoints map[processor.CheckpointResult]int
	// Restores are tasks brought up to their claim, by what from.
	Restores   map[processor.Rung]int
	Records    int64
	Grants     int    // requests and answers that the scheduler let arrive
	Order      uint64 // the same for two runs in which they arrived in the same order
	Virtual    time.Duration
	Violations []Violation
	Trace      []string
}

// Violation is a broken invariant.
type Violation struct {
	Invariant string
	Where     string
	Detail    string
}

// String is the violation on one line.
func (v Violation) String() string {
	return fmt.Sprintf("%s %s: %s", v.Invariant, v.Where, v.Detail)
}

const (
	application = "sim"
	firstPort   = 9092
	memory      = 64 << 20
	startup     = 5 * time.Second
	edgeSeeds   = 100 // one of so many seeds begins near the last producer epoch
)

// simulation is one run.
type simulation struct {
	cfg      Config
	random   *rand.Rand // the director's
	trace    *trace
	sched    *scheduler
	net      *network
	cluster  *kfake.Cluster
	registry *registry
	feeder   *feeder
	hosts    []*host
	ports    map[int32]int // of removed nodes
	kafka    *kafka
	out      bool // the long outage was had
	refused  []pending

	checkpoints checkpoint.Config
	storage     *storage // nil when the seed keeps no checkpoints
	prunes      int      // that an operator has begun

	healed atomic.Bool

	mu         sync.Mutex
	crashes    int
	epochs     int
	aborts     int
	unsettled  int
	points     map[string]int
	results    map[processor.CheckpointResult]int
	rungs      map[processor.Rung]int
	violations []Violation
}

// Run simulates one seed. It must be called in a bubble of testing/synctest, with franz-go built
// with the tag synctests.
func Run(cfg Config) *Report {
	s := &simulation{cfg: cfg, points: make(map[string]int), ports: make(map[int32]int),
		trace: newTrace(), results: make(map[processor.CheckpointResult]int),
		rungs: make(map[processor.Rung]int)}
	s.random = s.chance("director")
	s.ensureDefaults()
	s.keepCheckpoints()
	s.sched = newScheduler(s.chance("scheduler"), s.trace)
	s.kafka = &kafka{sim: s, given: make(map[int64]int16)}
	s.net = newNetwork(s.sched, s.kafka)
	go s.sched.run()
	if err := s.play(); err != nil {
		s.violate("I12", "simulation", err.Error())
	}
	s.end()
	return s.report()
}

// chance is a source of chance for one purpose.
func (s *simulation) chance(purpose string) *rand.Rand {
	h := fnv.New64()
	_, _ = h.Write([]byte(purpose)) // never fails
	return rand.New(rand.NewPCG(s.cfg.Seed, h.Sum64()))
}

// chanceOf is true once in n times, by the chance of a host.
func (s *simulation) chanceOf(h *host, n int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.random.IntN(n) == 0
}

// ensureDefaults has the seed decide what the caller did not.
func (s *simulation) ensureDefaults() {
	c, r := &s.cfg, s.random
	pick := func(n *int, of ...int) {
		if v := of[r.IntN(len(of))]; *n == 0 {
			*n = v
		}
	}
	pick(&c.Instances, 1, 2, 2, 3)
	pick(&c.Partitions, 1, 2, 2, 3)
	pick(&c.Brokers, 1, 2, 2, 3)
	pick(&c.TransactionVersion, 2, 2, 2, 1)
	pick(&c.Steps, 14, 18, 22)
	if c.Session == 0 {
		c.Session = time.Duration(2+r.IntN(4)) * time.Second
	}
	if c.Transaction == 0 {
		c.Transaction = time.Duration(2+r.IntN(4)) * time.Second
	}
	if c.Rebalance == 0 {
		c.Rebalance = time.Duration(2+r.IntN(3)) * time.Second
	}
	of := func(d *time.Duration, of ...time.Duration) {
		if v := of[r.IntN(len(of))]; *d == 0 {
			*d = v
		}
	}
	of(&c.Idle, 30*time.Second, 5*time.Second, time.Second)
	of(&c.Commit, 100*time.Millisecond, 100*time.Millisecond, 10*time.Millisecond, time.Second)
}

// play is the run, from an empty cluster to a judged result.
func (s *simulation) play() error {
	if err := s.start(); err != nil {
		return err
	}
	if !s.cfg.Calm {
		s.sched.setWeather(weather{lag: 20 * time.Millisecond,
			faults: []float64{0, 0.005, 0.01, 0.02, 0.04}[s.random.IntN(5)],
			late:   2 * (s.cfg.Session + s.cfg.Transaction),
			v1:     s.cfg.TransactionVersion == 1})
	}
	for i := range s.cfg.Instances {
		h := s.newHost(string(rune('a'+i)), string(rune('a'+i)))
		if i == 0 || s.random.IntN(3) > 0 {
			h.up()
		}
	}
	for step := range s.cfg.Steps {
		if err := s.feeder.feed(step, s.cfg.Steps); err != nil {
			return err
		}
		s.sleep()
		if !s.cfg.Calm {
			s.act()
		}
	}
	s.heal()
	if err := s.settle(); err != nil {
		return err
	}
	return s.audit()
}

// sleep lets the system run between two steps.
func (s *simulation) sleep() {
	most := []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond,
		2 * time.Second, 2 * time.Second, 5 * time.Second}
	time.Sleep(time.Duration(s.random.Int64N(int64(most[s.random.IntN(len(most))]))))
}

// start makes the cluster, its topics and the input.
func (s *simulation) start() error {
	ports := make([]int, s.cfg.Brokers)
	for i := range ports {
		ports[i] = firstPort + i
	}
	opts := []kfake.Opt{kfake.Ports(ports...), kfake.ListenFn(s.net.Listen),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1",
			"log.cleaner.backoff.ms": "1000000000000"})}
	if s.cfg.TransactionVersion == 1 {
		opts = append(opts, kfake.MaxVersions(kversion.V3_9_0()))
	}
	var err error
	if s.cluster, err = kfake.NewCluster(opts...); err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	for _, in := range s.cfg.App.Spec.Inputs {
		if err := s.cluster.CreateTopic(in.Name, int32(s.cfg.Partitions), nil); err != nil {
			return fmt.Errorf("create topic %s: %w", in.Name, err)
		}
	}
	s.registry = newRegistry(s.chance("registry"))
	if s.feeder, err = newFeeder(s); err != nil || s.cfg.Calm || s.random.IntN(edgeSeeds) > 0 {
		return err
	}
	return s.kafka.wearOut("a")
}

// client makes a client of the simulation's own: no fault befalls it.
func (s *simulation) client(opts ...kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.cluster.ListenAddrs()...),
		kgo.Dialer(s.net.dialer(nil)), kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.DisableClientMetrics()}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return cl, nil
}

// clientOptions keep the clients of an instance from asking more often than a test needs.
func (s *simulation) clientOptions() []kgo.Opt {
	return []kgo.Opt{kgo.FetchMaxWait(500 * time.Millisecond), kgo.DisableClientMetrics(),
		kgo.RebalanceTimeout(s.cfg.Rebalance)}
}

// end closes all that is open, so that no goroutine stays behind.
func (s *simulation) end() {
	for _, h := range s.hosts {
		h.down()
		if p := h.alive(); p != nil {
			p.kill("at the end", 0)
		}
	}
	for _, h := range s.hosts {
		h.wait()
	}
	if s.storage != nil {
		s.storage.late.Wait()
	}
	if s.feeder != nil {
		s.feeder.client.Close()
	}
	if s.cluster != nil {
		s.cluster.Close()
	}
	s.sched.close()
}

func (s *simulation) report() *Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &Report{Seed: s.cfg.Seed, App: s.cfg.App.Name, Faults: s.trace.faults(),
		Points: maps.Clone(s.points), Crashes: s.crashes, Epochs: s.epochs, Aborted: s.aborts,
		Unsettled: s.unsettled, Checkpoints: maps.Clone(s.results),
		Restores: maps.Clone(s.rungs), Grants: s.sched.grants, Order: s.trace.order,
		Virtual: time.Since(s.trace.began), Violations: slices.Clone(s.violations)}
	if s.feeder != nil {
		r.Records = s.feeder.sent
	}
	if len(r.Violations) > 0 {
		r.Trace = s.trace.lines()
	}
	return r
}

// violate notes a broken invariant.
func (s *simulation) violate(invariant, where, detail string) {
	s.trace.say(where, "VIOLATION %s: %s", invariant, detail)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, Violation{invariant, where, detail})
}

func (s *simulation) violated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.violations) > 0
}

func (s *simulation) crashed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashes++
}

func (s *simulation) passed(point string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.points[point]++
}

func (s *simulation) committed(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epochs++
}

func (s *simulation) aborted(p *process, i processor.AbortInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborts++
	if i.Unconfirmed {
		s.unsettled++
	}
}

// settle waits until all input is committed, and ends the instances.
func (s *simulation) settle() error {
	limit := s.cfg.Session + s.cfg.Transaction + s.cfg.Rebalance + 30*time.Second
	began := time.Now()
	for lag := s.lag(); lag > 0; lag = s.lag() {
		if time.Since(began) > limit {
			return fmt.Errorf("%d records are not committed %v after the last heal", lag, limit)
		}
		if s.violated() {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.trace.say("sim", "all input is committed")
	for _, h := range s.hosts {
		h.down()
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for _, h := range s.hosts {
			h.wait()
		}
	}()
	select {
	case <-stopped:
	case <-time.After(limit):
		return fmt.Errorf("not all instances stopped within %v", limit)
	}
	s.drain(limit)
	return nil
}

// drain lets what is still under way arrive, and the cluster end the transactions of the dead.
// Those that it does not time out although it knows them, which is kfake's fault, are ended for it.
func (s *simulation) drain(limit time.Duration) {
	for ended, began := false, time.Now(); time.Since(began) < 2*limit; time.Sleep(time.Second) {
		if s.sched.idle() && s.openTransactions() == "" {
			return
		}
		if !ended && time.Since(began) > limit {
			ended = true
			s.endTransactions()
		}
	}
}

// endTransactions has the cluster abort what the instances, all stopped by now, left open.
func (s *simulation) endTransactions() {
	for _, h := range s.hosts {
		cl, err := s.client(kgo.TransactionalID(application + "-" + h.id))
		if err != nil {
			s.violate("I7", h.name, err.Error())
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Session)
		if _, _, err := cl.ProducerID(ctx); err != nil {
			s.trace.say(h.name, "its transaction is not ended: %v", err)
		}
		cancel()
		cl.Close()
	}
}

// openTransactions names a partition that has one.
func (s *simulation) openTransactions() string {
	for _, topic := range s.topics() {
		for _, p := range s.cluster.PartitionInfos(topic) {
			if p.LastStableOffset != p.HighWatermark {
				return fmt.Sprintf("%s-%d", topic, p.Partition)
			}
		}
	}
	return ""
}

// lag is how many input records are not committed.
func (s *simulation) lag() int64 {
	var n int64
	group := s.cluster.GroupInfo(application)
	for _, in := range s.cfg.App.Spec.Inputs {
		for _, p := range s.cluster.PartitionInfos(in.Name) {
			n += p.HighWatermark - p.LogStartOffset
			if group == nil {
				continue
			}
			if at, ok := group.Commits[in.Name][p.Partition]; ok {
				n -= at.Offset - p.LogStartOffset
			}
		}
	}
	return n
}
