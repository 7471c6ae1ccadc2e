package query

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/embedded"
	"pawl/processor"
	"pawl/schemas"
)

// rig runs instances of the bank with their HTTP on a cluster in this process.
type rig struct {
	t        *testing.T
	cluster  *embedded.Cluster
	registry schemas.Registry
	client   *kgo.Client // sends records to the partition of their key
	adm      *kadm.Client
	value    func(transfer) []byte
	dir      string

	mu      sync.Mutex
	members []*member
}

// member is one instance with its HTTP.
type member struct {
	name    string
	address string
	in      *processor.Instance
	server  *httptest.Server
	close   func()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Config{SessionTimeoutMin: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	r := &rig{t: t, cluster: cluster, dir: t.TempDir(),
		registry: schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})}
	r.client, err = kgo.NewClient(kgo.SeedBrokers(cluster.Addr()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	r.adm = kadm.NewClient(r.client)
	if _, err := r.adm.CreateTopic(t.Context(), bankTasks, 1, nil, bankInput); err != nil {
		t.Fatal(err)
	}
	r.value = encoder(t.Context(), t, r.registry)
	t.Cleanup(func() {
		for _, m := range r.live() {
			r.crash(m)
		}
	})
	return r
}

// start runs an instance. Its folder and its name in the group are those of name's last run.
func (r *rig) start(name string) {
	server := httptest.NewUnstartedServer(nil)
	m := &member{name: name, server: server, address: server.Listener.Addr().String()}
	var running *processor.Instance
	var mu sync.Mutex
	now := func() *processor.Instance {
		mu.Lock()
		defer mu.Unlock()
		return running
	}
	var h http.Handler
	h, m.close = New(Options{Address: m.address, PageViewsSpan: 5 * time.Minute,
		State: func() State {
			if in := now(); in != nil {
				return Of(in)
			}
			return nil
		},
		Directory: NewDirectory(func(ctx context.Context) ([]processor.Member, error) {
			if in := now(); in != nil {
				return in.Members(ctx)
			}
			return nil, errors.New("the instance is starting")
		}),
		Panicked: func(what any, stack []byte) {
			r.t.Errorf("%s: panic: %v\n%s", name, what, stack)
		},
	})
	server.Config.Handler = h
	server.Start()
	in, err := processor.Start(r.t.Context(), processor.Config{ApplicationID: "bank",
		InstanceID: name, Brokers: []string{r.cluster.Addr()}, Registry: r.registry,
		StateDir: filepath.Join(r.dir, name), SessionTimeout: 2 * time.Second,
		Advertise: m.address, MemoryMax: 256 << 20}, bank())
	if err != nil {
		r.t.Errorf("start %s: %v", name, err)
		server.Close()
		m.close()
		return
	}
	mu.Lock()
	running, m.in = in, in
	mu.Unlock()
	r.mu.Lock()
	r.members = append(r.members, m)
	r.mu.Unlock()
}

func (r *rig) live() []*member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.members)
}

// forget takes a member out of what readers ask.
func (r *rig) forget(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members = slices.DeleteFunc(r.members, func(o *member) bool { return o == m })
}

// crash ends an instance as a kill would, connections and all, while readers still ask it.
func (r *rig) crash(m *member) {
	_ = m.server.Listener.Close() // Close says so again
	m.server.CloseClientConnections()
	m.in.Crash()
	r.forget(m)
	m.server.Close()
	m.close()
}

// stop ends an instance in good order; its HTTP answers until the tasks are given away.
func (r *rig) stop(m *member) {
	m.in.Stop()
	if err := m.in.Wait(); err != nil {
		r.t.Errorf("stop %s: %v", m.name, err)
	}
	r.forget(m)
	m.server.Close()
	m.close()
}

// ends are where the input ends now.
func (r *rig) ends() map[int32]int64 {
	r.t.Helper()
	listed, err := r.adm.ListEndOffsets(r.t.Context(), bankInput)
	if err != nil {
		r.t.Fatal(err)
	}
	ends := make(map[int32]int64)
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends
}

// settled waits until any instance answers for all tasks at the ends.
func (r *rig) settled(ends map[int32]int64) {
	r.t.Helper()
	c := newCaller(r)
	defer c.client.CloseIdleConnections()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		at := 0
		for _, m := range r.live() {
			o, code, text := c.ask(m.address, "/v1/pageviews/top", 10)
			if code == http.StatusOK && len(o.offsets) == bankTasks {
				same := true
				for task, end := range ends {
					same = same && o.offsets[task] == end
				}
				if same {
					at++
				}
			}
			if time.Now().After(deadline) {
				r.t.Fatalf("not settled at %v: %s answers %d %s", ends, m.name, code, text)
			}
		}
		if at > 0 && at == len(r.live()) {
			return
		}
	}
}

// send transfers money until ctx ends.
func (r *rig) send(ctx context.Context, rng interface{ IntN(int) int }) {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := r.client.Flush(r.t.Context()); err != nil {
				r.t.Error(err)
			}
			return
		case <-ticker.C:
		}
		for range 6 {
			one := transfer{From: int64(rng.IntN(bankAccounts)),
				To: int64(rng.IntN(bankAccounts)), Cents: int64(1 + rng.IntN(500))}
			// The lesser branches are the busier ones, so that there is a top.
			branch := branchName(min(rng.IntN(bankBranches), rng.IntN(bankBranches)))
			r.client.Produce(r.t.Context(), &kgo.Record{Topic: bankInput, Key: []byte(branch),
				Value: r.value(one)}, func(_ *kgo.Record, err error) {
				if err != nil {
					r.t.Errorf("send: %v", err)
				}
			})
		}
	}
}

// move adds, stops and kills instances until ctx ends, and leaves three.
func (r *rig) move(ctx context.Context, rng interface{ IntN(int) int }) (moves []string) {
	next := 3
	act := func() {
		all := r.live()
		m := all[rng.IntN(len(all))]
		switch kind := rng.IntN(4); {
		case len(all) < 3 || kind == 0 && len(all) < 5:
			next++
			moves = append(moves, fmt.Sprintf("add i%d", next))
			r.start(fmt.Sprintf("i%d", next))
		case kind == 1:
			moves = append(moves, "stop "+m.name)
			r.stop(m)
		case kind == 2:
			moves = append(moves, "kill "+m.name)
			r.crash(m)
		default:
			moves = append(moves, "kill and start "+m.name)
			r.crash(m)
			r.start(m.name)
		}
	}
	for {
		select {
		case <-ctx.Done():
			for len(r.live()) > 3 {
				r.stop(r.live()[0])
			}
			for len(r.live()) < 3 {
				next++
				r.start(fmt.Sprintf("i%d", next))
			}
			return moves
		case <-time.After(400 * time.Millisecond):
			act()
		}
	}
}
