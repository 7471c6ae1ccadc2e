package query

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pawl/processor"
	"pawl/schemas/record"
	"pawl/statestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeTask is a task whose values are JSON.
type fakeTask struct {
	store *statestore.Buffered
	pos   record.Position

	rates  map[string]float64
	inputs []processor.InputStatus
}

// fakeState is an instance with some tasks.
type fakeState struct {
	shape Shape

	mu    sync.Mutex
	tasks map[int32]*fakeTask
	moved chan struct{}
}

func (s *fakeState) Shape() Shape { return s.shape }

func (s *fakeState) Status() processor.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all processor.Status
	for p, t := range s.tasks {
		all.Tasks = append(all.Tasks, processor.TaskStatus{Name: taskName(s.shape.Pipeline, p),
			State: processor.TaskRunning, Epoch: t.pos.Epoch, RestoreDone: 1,
			HotKeys: []processor.HotKey{{Key: "u01", Share: 0.25}},
			Inputs:  []processor.InputStatus{{Topic: "in", Partition: p, Offset: 1, LSO: 1}}})
	}
	return all
}

// Graph implements State.
func (s *fakeState) Graph() processor.Graph {
	return processor.Graph{Nodes: []processor.Node{
		{ID: "step:p", Kind: processor.NodeStep, Name: "p"},
		{ID: "input:in", Kind: processor.NodeInput, Name: "in"},
		{ID: "store:t", Kind: processor.NodeStore, Name: "t"},
		{ID: "output:out", Kind: processor.NodeOutput, Name: "out"}},
		Edges: []processor.Edge{{From: "input:in", To: "step:p"}, {From: "step:p", To: "store:t"},
			{From: "step:p", To: "output:out"}}}
}

func (s *fakeState) find(p int32) (*fakeTask, record.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[p]
	if t == nil {
		return nil, record.Position{}, &processor.NotHereError{Task: taskName(s.shape.Pipeline, p)}
	}
	return t, t.pos, nil
}

func (s *fakeState) View(p int32, ranges []processor.StateRange, read func(View) error) error {
	t, pos, err := s.find(p)
	if err != nil {
		return err
	}
	var bounds []statestore.Range
	for _, r := range ranges {
		b := statestore.Range{From: append(statestore.Key(nil).String(r.Table), r.From...),
			To: statestore.Key(nil).String(r.Table).End(), Limit: r.Limit}
		if r.To != nil {
			b.To = append(statestore.Key(nil).String(r.Table), r.To...)
		}
		bounds = append(bounds, b)
	}
	v, err := t.store.View(bounds...)
	if err != nil {
		return err
	}
	defer v.Close()
	return read(&fakeView{v, pos, ranges, t})
}

func (s *fakeState) Await(ctx context.Context, p int32, ok func(record.Position) bool) error {
	for {
		s.mu.Lock()
		moved := s.moved
		s.mu.Unlock()
		_, pos, err := s.find(p)
		if err != nil || ok(pos) {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// commit applies an epoch of changes, values given as JSON, nil to delete.
func (s *fakeState) commit(t testing.TB, p int32, changes ...statestore.Change) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	task := s.tasks[p]
	if err := task.store.Apply(changes, statestore.Mark{Offset: task.pos.Epoch + 1}); err != nil {
		t.Fatal(err)
	}
	task.pos.Epoch++
	task.pos.Watermark = task.pos.Epoch * 1000
	task.pos.Inputs = []record.Input{{Topic: "in", Partition: p, Offset: task.pos.Epoch * 10}}
	close(s.moved)
	s.moved = make(chan struct{})
}

type fakeView struct {
	*statestore.View
	pos    record.Position
	ranges []processor.StateRange
	task   *fakeTask
}

func (v *fakeView) Standing() record.Position { return v.pos }

func (v *fakeView) Get(table string, key statestore.Key) ([]byte, bool, error) {
	return v.View.Get(append(statestore.Key(nil).String(table), key...))
}

func (v *fakeView) Scan(i int, fn func(key statestore.Key, value []byte) bool) (statestore.Key,
	error) {
	n := len(statestore.Key(nil).String(v.ranges[i].Table))
	next, err := v.View.Scan(i, func(key, value []byte) bool { return fn(key[n:], value) })
	if next != nil {
		next = next[n:]
	}
	return next, err
}

func (v *fakeView) Rates() map[string]float64 { return v.task.rates }

func (v *fakeView) Inputs() []processor.InputStatus { return v.task.inputs }

func (v *fakeView) JSON(value []byte) (any, error) {
	if string(value) == `"broken"` {
		return nil, fmt.Errorf("bytes that are none")
	}
	if string(value) == `"panic"` {
		panic("told to")
	}
	var out any
	err := json.Unmarshal(value, &out)
	return out, err
}

func (v *fakeView) AppendJSON(dst, value []byte) ([]byte, error) {
	shown, err := v.JSON(value)
	if err != nil {
		return dst, err
	}
	text, err := json.Marshal(shown)
	return append(dst, text...), err
}

// Decode takes total_cents for TotalCents.
func (v *fakeView) Decode(value []byte, into target) error {
	if _, err := v.JSON(value); err != nil {
		return err
	}
	return json.Unmarshal(bytes.ReplaceAll(value, []byte("_"), nil), into.pointer())
}

// put is a change of a table's key.
func put(table string, key statestore.Key, value string) statestore.Change {
	return statestore.Change{Key: append(statestore.Key(nil).String(table), key...),
		Value: []byte(value)}
}

func str(s string) statestore.Key { return statestore.Key(nil).String(s) }

// fakeCluster is some instances that know each other.
type fakeCluster struct {
	states  []*fakeState
	servers []*httptest.Server
	options []Options

	mu     sync.Mutex
	owners map[int32]string // what the directory says
	hops   int

	readOnly string // a second token
}

// Owner implements Directory.
func (c *fakeCluster) Owner(_ context.Context, p int32) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	address, ok := c.owners[p]
	return address, ok
}

// Instances implements Directory.
func (c *fakeCluster) Instances(context.Context) ([]processor.Member, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]processor.Member, len(c.states))
	for i := range c.states {
		address := strings.TrimPrefix(c.servers[i].URL, "http://")
		all[i] = processor.Member{Instance: fmt.Sprint("i", i), Address: address}
		for p, owner := range c.owners {
			if owner == address {
				all[i].Tasks = append(all[i].Tasks, p)
			}
		}
	}
	return all, nil
}

// Doubt implements Directory.
func (c *fakeCluster) Doubt() {}

var fakeTables = map[string][]processor.TableInfo{
	"fraud": {{Name: "velocity"}, {Name: "velocity-nodes"}, {Name: "timers-expiry", Timers: true},
		{Name: "rates", Global: true}},
	"pageviews": {{Name: "page-counts"}},
	"iot":       {{Name: "sensor"}},
	"activity": {{Name: "per-minute", Window: processor.WindowInfo{Size: time.Minute,
		After: 10 * time.Second}}, {Name: "five-minutes"}, {Name: "batches"}},
	"funnel": {{Name: "session-sessions"}, {Name: "session", Window: processor.WindowInfo{
		After: 30*time.Minute + time.Millisecond, Sessions: "session-sessions"}}},
}

// newCluster has instances with the tasks spread over them.
func newCluster(t testing.TB, pipeline string, instances, tasks int, token string) *fakeCluster {
	t.Helper()
	c := &fakeCluster{owners: make(map[int32]string)}
	for i := range instances {
		s := &fakeState{shape: Shape{Application: "app", Instance: fmt.Sprint("i", i),
			Pipeline: pipeline, Tasks: int32(tasks), Tables: fakeTables[pipeline]},
			tasks: make(map[int32]*fakeTask), moved: make(chan struct{})}
		c.states = append(c.states, s)
		server := httptest.NewUnstartedServer(nil)
		o := Options{State: func() State { return s }, Directory: c, Token: token,
			Address: server.Listener.Addr().String(), FraudSpan: 5 * time.Minute,
			IoTSpan: 5 * time.Minute, PageViewsSpan: 5 * time.Minute}
		h, stop := New(o)
		server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hopped(r) {
				c.mu.Lock()
				c.hops++
				c.mu.Unlock()
			}
			Guard(Access{Token: token, ReadOnly: c.readOnly}, h, "/ping").ServeHTTP(w, r)
		})
		server.Start()
		t.Cleanup(server.Close)
		t.Cleanup(stop)
		c.servers, c.options = append(c.servers, server), append(c.options, o)
	}
	for p := range int32(tasks) {
		i := int(p) % instances
		c.states[i].tasks[p] = &fakeTask{store: statestore.NewBuffered(statestore.NewMem()),
			pos: record.Position{Watermark: -1 << 62}}
		c.owners[p] = c.options[i].Address
	}
	return c
}

// of is the state that has the task of a key.
func (c *fakeCluster) of(key string) (*fakeState, int32) {
	p := processor.PartitionOf([]byte(key), c.states[0].shape.Tasks)
	return c.states[int(p)%len(c.states)], p
}

// set commits one key where it belongs.
func (c *fakeCluster) set(t testing.TB, table, key string, full statestore.Key, value string) {
	t.Helper()
	s, p := c.of(key)
	s.commit(t, p, put(table, full, value))
}

// reply is what came back.
type reply struct {
	code   int
	header http.Header
	body   map[string]any
	text   string
}

func (c *fakeCluster) get(t testing.TB, i int, path string, headers ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.servers[i].URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := reply{code: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &out.body) // a list or nothing is left as text
	return out
}
