//go:build unix

package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/pipelines/pageviews"
)

const (
	readers     = 6
	readRate    = 800 // views per second
	enoughReads = 1000
	ambushes    = 24 // questions that wait for a frozen process when it goes on
	quietReads  = 1000

	readSession = 2 * time.Second
)

// readsRig is three instances of the pageviews pipeline, and readers.
type readsRig struct {
	*stage
	cfg    pageviews.Config
	nodes  []*node
	caller *caller
	moves  []string
}

func newReadsRig(t *testing.T) *readsRig {
	t.Helper()
	s := newStageOf(t, shared.Kafka(t), shared.Registry(t), readTasks, pageviews.Name,
		map[string]map[string]*string{pageviews.PageViews: nil})
	// A window so short that views leave it all the time.
	cfg := pageviews.Config{Span: 8 * time.Second, MaxOutOfOrderness: 500 * time.Millisecond}
	cfg.EnsureDefaults()
	r := &readsRig{stage: s, cfg: cfg, caller: newCaller(t, s.prefix()+pageviews.PageViews)}
	for i := range 3 {
		n := s.node(fmt.Sprintf("n%d", i+1))
		n.settings = []string{"session.timeout=" + readSession.String(), "idle.timeout=off",
			"pageviews.span=" + cfg.Span.String(),
			"max.out.of.orderness=" + cfg.MaxOutOfOrderness.String()}
		r.nodes = append(r.nodes, n)
	}
	return r
}

// send sends views until ctx ends.
func (r *readsRig) send(ctx context.Context) error {
	_, err := loadgen.Run(ctx, loadgen.Config{Rate: readRate, Registry: r.registry,
		Generator: pageviews.NewGenerator(pageviews.LoadConfig{Pipeline: r.cfg, Seed: 7,
			Pages: readPages, Start: time.Now(), Rate: readRate}),
		Options: []kgo.Opt{kgo.SeedBrokers(r.brokers)},
		Rename:  map[string]string{pageviews.PageViews: r.prefix() + pageviews.PageViews}})
	return err
}

// up starts a node and lets readers ask it from when it listens.
func (r *readsRig) up(n *node) {
	r.t.Helper()
	n.start()
	r.until(n.name+" listens", func() bool { return n.address() != "" })
	r.caller.may(n.name, n.address())
}

// together waits until all nodes work.
func (r *readsRig) together() {
	r.t.Helper()
	for _, n := range r.nodes {
		n.await(time.Now())
	}
}

// takenOver waits until readers have seen every task go on, and none of them at the node.
func (r *readsRig) takenOver(n *node) {
	r.t.Helper()
	from := r.caller.reached()
	r.until(n.name+"'s tasks run elsewhere", func() bool {
		now, owners := r.caller.reached(), r.caller.owners()
		for task, owner := range owners {
			if owner == n.name || now[task] <= from[task]+1 {
				return false
			}
		}
		return len(owners) == readTasks
	})
}

// killed ends a node by kill -9 and starts it again at once.
func (r *readsRig) killed(n *node, _ *rand.Rand) {
	n.proc.Kill9()
	r.up(n)
}

// lost ends a node by kill -9 and starts it again when others have its tasks.
func (r *readsRig) lost(n *node, _ *rand.Rand) {
	n.proc.Kill9()
	r.takenOver(n)
	r.up(n)
}

// stopped ends a node in good order, while readers ask it, and starts it again.
func (r *readsRig) stopped(n *node, _ *rand.Rand) {
	if code := n.proc.Stop(); code != 0 {
		r.t.Errorf("%s ended with exit code %d", n.name, code)
	}
	r.up(n)
}

// frozen stops a node with SIGSTOP until others have its tasks and have committed. Then questions
// are put to it, which it reads first of all when it goes on: it cannot have heard yet that it was
// given up, and must not answer from its store.
func (r *readsRig) frozen(n *node, rng *rand.Rand) {
	n.proc.Pause()
	address := n.address()
	r.caller.may(n.name, "")
	r.takenOver(n)
	var asked, sent sync.WaitGroup
	for range ambushes {
		q := draw(rng)
		q.ambush = true
		sent.Add(1)
		q.wrote = sync.OnceFunc(sent.Done)
		asked.Go(func() {
			r.caller.ask(n.name, address, q)
			q.wrote() // for one that could not be sent
		})
	}
	sent.Wait()
	n.proc.Resume()
	r.caller.may(n.name, address)
	asked.Wait()
}

// quiet compares what all nodes answer when nothing moves: the same bytes.
func (r *readsRig) quiet(rng *rand.Rand) {
	r.t.Helper()
	for i := range quietReads {
		q := draw(rng)
		if i%100 == 0 { // and the most viewed, whatever was drawn
			q = &question{kind: mostViewed, limit: 10 + i, tasks: []int32{0, 1, 2, 3, 4, 5},
				path: fmt.Sprintf("/v1/pageviews/top?n=%d", 10+i)}
		}
		first := ""
		for _, n := range r.nodes {
			r.caller.ask(n.name, n.address(), q)
			_, body := r.caller.fetch(n.address(), q)
			if first == "" {
				first = string(body)
			}
			if string(body) != first {
				r.t.Errorf("%s: %s says\n%s\n%s says\n%s", q.path, n.name, body, r.nodes[0].name,
					first)
			}
		}
	}
}

// whole tells whether a node answers for all tasks; unless ends is nil, at these offsets and with
// the tasks spread evenly over the nodes, as they stay.
func (r *readsRig) whole(n *node, ends map[int32]int64) bool {
	q := &question{kind: mostViewed, limit: 10, path: "/v1/pageviews/top?n=10",
		tasks: []int32{0, 1, 2, 3, 4, 5}}
	code, body := r.caller.fetch(n.address(), q)
	a := &answer{question: q}
	if code != 200 || a.read(body, r.caller.topic) != nil || !a.Complete {
		return false
	}
	here := make(map[string]int)
	for _, s := range a.Tasks {
		here[s.Instance]++
		uneven := here[s.Instance] > readTasks/len(r.nodes)
		if s.Watermark == nil || ends != nil && (uneven || ends[s.Partition] != s.offset) {
			return false
		}
	}
	return true
}

// settled waits until all nodes answer for the whole input.
func (r *readsRig) settled() {
	r.t.Helper()
	listed, err := r.adm.ListEndOffsets(r.t.Context(), r.caller.topic)
	if err != nil {
		r.t.Fatal(err)
	}
	ends := make(map[int32]int64)
	for task := range int32(readTasks) {
		end, _ := listed.Lookup(r.caller.topic, task)
		ends[task] = end.Offset
	}
	for _, n := range r.nodes {
		r.until(n.name+" answers for all of the input", func() bool { return r.whole(n, ends) })
	}
}

// disturb does all that is done to nodes, twice in an order of chance, and goes on until readers
// have seen enough.
func (r *readsRig) disturb(rng *rand.Rand) {
	r.t.Helper()
	kinds := []struct {
		name string
		do   func(*node, *rand.Rand)
	}{{"kill", r.killed}, {"lose", r.lost}, {"stop", r.stopped}, {"freeze", r.frozen}}
	for round := 0; round < 2 || r.caller.tally()["whole"] < enoughReads; round++ {
		for _, i := range rng.Perm(len(kinds)) {
			n := r.nodes[rng.IntN(len(r.nodes))]
			began := time.Now()
			kinds[i].do(n, rng)
			r.together()
			r.moves = append(r.moves, fmt.Sprintf("%s %s %.1fs", kinds[i].name, n.name,
				time.Since(began).Seconds()))
			if r.t.Failed() {
				return
			}
		}
	}
}

// TestReadsWhileProcessesDie asks three processes for single pages, their minutes, ranges, lists
// and the most viewed pages, while they are killed, stopped, lost for good and frozen for longer
// than the session timeout. Each answer is what the input below the offsets it names says; nobody
// who has seen an epoch of a task is shown an earlier one; one epoch is the same from whomever;
// ?min-epoch is kept; what is missing is said to be. When nothing moves any more, all three give
// the same bytes.
func TestReadsWhileProcessesDie(t *testing.T) {
	shared.Pawl(t) // or the load would grow while it is built
	r := newReadsRig(t)
	loading, endLoad := context.WithCancel(t.Context())
	defer endLoad()
	loaded := make(chan error, 1)
	go func() { loaded <- r.send(loading) }()
	for _, n := range r.nodes {
		r.up(n)
	}
	r.together()
	for _, n := range r.nodes {
		r.until(n.name+" answers", func() bool { return r.whole(n, nil) })
	}
	reading, endReading := context.WithCancel(t.Context())
	var reads sync.WaitGroup
	defer reads.Wait()
	defer endReading()
	for i := range readers {
		reads.Go(func() { r.caller.read(reading, rand.New(rand.NewPCG(uint64(i), 3))) })
	}
	r.until("readers have seen all tasks", func() bool {
		return len(r.caller.owners()) == readTasks
	})
	seed := uint64(time.Now().UnixNano())
	r.disturb(rand.New(rand.NewPCG(seed, 2)))
	endReading()
	reads.Wait()
	moving := r.caller.tally()
	endLoad()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	r.settled()
	r.quiet(rand.New(rand.NewPCG(7, 7)))
	if err := r.caller.verdict(r.stage, r.cfg); err != nil {
		t.Error(err)
	}
	t.Logf("moves: %s", strings.Join(r.moves, ", "))
	t.Logf("%d readers, while nodes moved: %v; the longest took %v", readers, moving,
		r.caller.worst.Round(time.Millisecond))
	for _, n := range r.nodes {
		if code := n.proc.Stop(); code != 0 {
			t.Errorf("%s ended with exit code %d", n.name, code)
		}
	}
	r.checkBy(pageviews.Spec(r.cfg))
}
