package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/settings"
)

const (
	readyLimit = 60 * time.Second // for all instances to run their tasks
	drainLimit = 40 * time.Second
	stopLimit  = 10 * time.Second
)

// stage is a demo: pipelines, each an act of its own, on one cluster.
type stage struct {
	app     *app
	options demoOptions
	cluster *cluster
	dir     string
	view    *view
	acts    []*act
	aids    []aid

	// What a demo does without.
	title    string                                // of names, instead of demo
	override map[string]string                     // settings of all pipelines
	shape    func(s *fleetSpec)                    // is shown each fleet before it is made
	trouble  func(ctx, life context.Context) error // beside the load, until ctx ends
	mishaps  func() (int, []time.Duration)         // how many there were, sorted recoveries
}

// act is one pipeline of a demo.
type act struct {
	pipeline pipeline
	settings *settings.Settings // as the instances have them
	inputs   []string           // topics, prefix included
	group    string
	adm      *kadm.Client
	fleet    *fleet
	crasher  *crasher
	trial    *trial
	alerts   *alertTail
	options  []kgo.Opt // of the producer of its load
	sent     atomic.Int64

	load func(ctx context.Context) error // instead of a demo's load
}

// add prepares topics and settings of a pipeline and starts its instances.
func (st *stage) add(ctx context.Context, p pipeline, base *settings.Settings) error {
	override := st.cluster.overrides()
	maps.Copy(override, st.override)
	override["application.id"], override["topic.prefix"] = st.names(p)
	if p.aid != nil {
		a, err := p.aid(ctx)
		if err != nil {
			return err
		}
		st.aids = append(st.aids, a)
		maps.Copy(override, a.override)
		st.view.event(a.told)
	}
	file := filepath.Join(st.dir, p.name+".yaml")
	own := map[string]string{"state.dir": filepath.Join(st.dir, "state-"+p.name),
		"http.listen": "127.0.0.1:0"}
	for key, value := range override {
		own[key] = value
	}
	if err := base.WriteFile(file, own); err != nil {
		return err
	}
	s, err := settings.Load(settings.Sources{File: file}) // complete: the base's values are in it
	if err != nil {
		return err
	}
	cl, err := st.cluster.client()
	if err != nil {
		return err
	}
	t := &act{pipeline: p, settings: s, group: override["application.id"],
		inputs: withPrefix(override["topic.prefix"], p.topics()...),
		adm:    kadm.NewClient(cl), trial: newTrial()}
	st.acts = append(st.acts, t)
	streams := t.inputs[:len(p.inputs)]
	if err := createInputs(ctx, t.adm, streams, st.options.partitions); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program to start it again: %w", err)
	}
	spec := fleetSpec{exe: exe, pipeline: p.name, dir: st.dir,
		count: st.options.instances, settings: base,
		token: base.Text("api.token"), override: override, event: st.view.event}
	if st.shape != nil {
		st.shape(&spec)
	}
	t.fleet = newFleet(spec)
	if err := t.fleet.start(ctx); err != nil {
		return err
	}
	t.crasher = &crasher{fleet: t.fleet, adm: t.adm, group: t.group, topics: t.inputs,
		every: st.options.crashEvery, turn: int(st.options.seed % uint64(st.options.instances)),
		event: st.view.event, held: t.trial.busy, orders: make(chan chan<- victim),
		ended: make(chan struct{})}
	return t.running(ctx, streams, st.options.partitions)
}

// names are application id and topic prefix. Embedded servers are ours alone, so topics have
// their plain names; on a given cluster they carry a name that follows from the folder, so that a
// second demo in a folder goes on where the first one stopped. A pipeline that would read another
// one's input has its own, with its own load.
func (st *stage) names(p pipeline) (application, prefix string) {
	own := ""
	for _, t := range st.acts {
		for _, topic := range p.topics() {
			if slices.Contains(t.pipeline.topics(), topic) {
				own = p.name + "-"
			}
		}
	}
	title := cmp.Or(st.title, "demo")
	if st.cluster.ours() {
		return "pawl-" + title + "-" + p.name, own
	}
	path, err := filepath.Abs(st.dir)
	if err != nil {
		path = st.dir
	}
	sum := sha256.Sum256([]byte(path))
	run := "pawl-" + title + "-" + hex.EncodeToString(sum[:4])
	return run + "-" + p.name, run + "-" + own
}

// running waits until every task of the inputs runs somewhere.
func (t *act) running(ctx context.Context, topics []string, partitions int) error {
	limit := time.After(readyLimit)
	for {
		missing := ""
		for _, topic := range topics {
			for n := range partitions {
				if !t.fleet.runs(place{topic, int32(n)}) {
					missing = fmt.Sprintf("%s-%d", topic, n)
				}
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case err := <-t.fleet.failed:
			return err
		case <-limit:
			return fmt.Errorf("no instance of %s runs %s after %v; the first one said:\n%s",
				t.pipeline.name, missing, readyLimit, t.fleet.members[0].process().Tail(10))
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// play generates load and crashes instances until ctx ends or the duration is over; then it drains,
// stops and verifies under the context life.
func (st *stage) play(ctx, life context.Context) error {
	if err := st.perform(ctx, life, st.settle); err != nil {
		return err
	}
	return st.judge(life)
}

// perform is play up to the verdict; settle drains and stops.
func (st *stage) perform(ctx, life context.Context, settle func(context.Context) error) error {
	loading, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	if st.options.duration > 0 {
		loading, stopLoad = context.WithTimeout(loading, st.options.duration)
		defer stopLoad()
	}
	watching, stopWatching := context.WithCancel(life)
	defer stopWatching()
	failed := make(chan error, 2*len(st.acts)+2)
	var load, watch sync.WaitGroup
	for _, t := range st.acts {
		st.start(t, loading, watching, &load, &watch, failed, stopLoad)
	}
	if st.trouble != nil {
		load.Go(func() {
			if err := st.trouble(loading, watching); err != nil {
				failed <- err
				stopLoad()
			}
		})
	}
	watch.Go(func() { st.watch(watching) })
	load.Wait()
	st.view.event("load stopped; the instances finish what is there")
	err := settle(life)
	stopWatching()
	watch.Wait()
	st.view.clear()
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	return err
}

// start sets one act's load, crashes and alerts going.
func (st *stage) start(t *act, loading, watching context.Context, load, watch *sync.WaitGroup,
	failed chan<- error, stopLoad func()) {
	if t.load == nil {
		t.load = func(ctx context.Context) error { return st.feedAndTry(ctx, t) }
	}
	load.Go(func() {
		err := t.load(loading)
		if err != nil && loading.Err() == nil {
			failed <- err
			stopLoad()
		}
	})
	load.Go(func() { t.crasher.run(loading, watching) })
	load.Go(func() {
		select {
		case err := <-t.fleet.failed:
			failed <- err
			stopLoad()
		case <-loading.Done():
		}
	})
	tail, err := st.cluster.tailAlerts(t.settings.Text("topic.prefix")+t.pipeline.alerts,
		t.pipeline.shown)
	if err != nil {
		st.view.event(fmt.Sprintf("alerts are not shown: %v", err))
		return
	}
	t.alerts = tail
	watch.Go(func() { tail.run(watching) })
}

// feed is an act's load.
func (st *stage) feed(t *act) feed {
	before := t.sent.Load()
	return feed{rate: st.options.rate, seed: st.options.seed, poison: !st.options.clean,
		users:   cmp.Or(st.options.users, t.pipeline.crowd),
		options: t.options, told: func(sent int64) { t.sent.Store(before + sent) }}
}

// settle waits until all input is processed and stops the instances tidily.
func (st *stage) settle(ctx context.Context) error {
	var errs []error
	for _, t := range st.acts {
		err := drain(ctx, t.adm, t.group, t.inputs, drainLimit, func(int64) {})
		if err == nil {
			st.view.event(t.pipeline.name + " has processed everything; stopping its instances")
		}
		errs = append(errs, err, t.fleet.stop(stopLimit))
	}
	return errors.Join(errs...)
}

// close ends what is still there, and on a given cluster removes the topics unless the data stays.
func (st *stage) close() {
	for _, t := range st.acts {
		if t.fleet != nil {
			t.fleet.kill()
		}
		if !st.cluster.ours() && st.options.dir == "" {
			limit, cancel := context.WithTimeout(context.Background(), stopLimit)
			err := deleteTopics(limit, t.adm, t.group, t.settings.Text("topic.prefix"))
			cancel()
			if err != nil {
				fmt.Fprintln(st.app.stderr, "pawl:", err)
			}
		}
		t.adm.Close()
	}
	for _, a := range st.aids {
		a.stop()
	}
}
