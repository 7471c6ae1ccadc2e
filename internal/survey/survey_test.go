package survey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/embedded"
	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// left is what an application left on a cluster.
type left struct {
	t        *testing.T
	opts     []kgo.Opt
	cl       *kgo.Client
	registry schemas.Registry
	id       int32
}

func newLeft(t *testing.T) *left {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	l := &left{t: t, opts: []kgo.Opt{kgo.SeedBrokers(strings.Split(cluster.Addr(), ",")...)},
		registry: schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})}
	l.cl, err = kgo.NewClient(append(slices.Clone(l.opts),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.cl.Close)
	adm := kadm.NewClient(l.cl)
	for _, topic := range []string{"in", "app-p-changelog"} {
		if _, err := adm.CreateTopic(t.Context(), 2, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	l.id, err = l.registry.Register(t.Context(), "app-p-changelog-position",
		record.PositionType().String())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// put writes so many records of no interest.
func (l *left) put(topic string, n int) {
	l.t.Helper()
	var all []*kgo.Record
	for i := range n {
		all = append(all, &kgo.Record{Topic: topic, Key: fmt.Append(nil, i), Value: []byte("v")})
	}
	if err := l.cl.ProduceSync(l.t.Context(), all...).FirstErr(); err != nil {
		l.t.Fatal(err)
	}
}

// stand writes a position record.
func (l *left) stand(pos record.Position) {
	l.t.Helper()
	value, err := schemas.NewEncoder(record.PositionType(), l.id).Append(nil, &pos)
	if err != nil {
		l.t.Fatal(err)
	}
	r := &kgo.Record{Topic: "app-p-changelog", Key: []byte(statestore.PositionKey), Value: value}
	if err := l.cl.ProduceSync(l.t.Context(), r).FirstErr(); err != nil {
		l.t.Fatal(err)
	}
}

// TestPositionFarBack finds the last position record also behind a long epoch that has none yet,
// and measures by it.
func TestPositionFarBack(t *testing.T) {
	l := newLeft(t)
	l.put("in", 10)
	for epoch := range int64(2) {
		l.stand(record.Position{Epoch: epoch + 1, Writer: "app-one", Watermark: 1000,
			Inputs: []record.Input{{Topic: "in", Offset: 3 + epoch}}})
	}
	l.put("app-p-changelog", 3*tail)
	r, err := Look(t.Context(), Options{ApplicationID: "app", Pipeline: "p", Inputs: []string{"in"},
		Kafka: l.opts, Registry: l.registry})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tasks) != 2 || r.State != Stopped || r.Lag != 6 || len(r.Notes) != 0 {
		t.Fatalf("%+v", r)
	}
	first, second := r.Tasks[0], r.Tasks[1]
	if first.Epoch != 2 || first.Writer != "app-one" || len(first.Inputs) != 1 ||
		*first.Inputs[0] != (Input{Topic: "in", Committed: 4, End: 10, Stable: 10, Lag: 6}) ||
		first.Watermark == nil || !first.Watermark.Equal(time.UnixMilli(1000)) {
		t.Errorf("first: %+v, %+v", first, first.Inputs[0])
	}
	if second.Epoch != 0 || second.Watermark != nil || second.Inputs[0].Committed != -1 ||
		second.Lag != 0 {
		t.Errorf("second: %+v", second)
	}
}

// TestWords takes an instance's word for its own tasks, and nobody's for another's.
func TestWords(t *testing.T) {
	asked := map[string]*Answer{
		"here:1": {State: "RUNNING", Paused: true, Tasks: []TaskAnswer{
			{Task: "p-0", State: "RESTORING", Restored: 0.5, Rung: "local"},
			{Task: "p-1", State: "RUNNING", Restored: 1}, // it has just lost this one
			{Task: "p-9", State: "RUNNING"}}},
		"there:1": {State: "RUNNING", Paused: true, Tasks: []TaskAnswer{
			{Task: "p-0", State: "CLOSED"}}}, // it does not know yet who has it
	}
	s := &survey{tasks: make(map[string]*Task), report: &Report{Group: "Stable"},
		o: Options{Pipeline: "p", Ask: func(_ context.Context, at string) (*Answer, error) {
			if a := asked[at]; a != nil {
				return a, nil
			}
			return nil, errors.New("nobody there")
		}}}
	s.members(t.Context(), []processor.Member{{Instance: "a", Address: "here:1", Tasks: []int32{0}},
		{Instance: "b", Address: "gone:1", Tasks: []int32{1, 10, 2}}, {Instance: "c"},
		{Instance: "d", Address: "there:1"}})
	s.conclude()
	var told []string
	for _, task := range s.report.Tasks {
		told = append(told, fmt.Sprintf("%s %s %s", task.Task, task.Instance, task.State))
	}
	want := "p-0 a RESTORING, p-1 b UNKNOWN, p-2 b UNKNOWN, p-10 b UNKNOWN"
	if got := strings.Join(told, ", "); got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	notes := strings.Join(s.report.Notes, "\n")
	if len(s.report.Notes) != 2 || !strings.Contains(notes, "b does not tell its state: nobody") ||
		!strings.Contains(notes, "c does not tell its state: it tells no address") {
		t.Errorf("notes: %s", notes)
	}
	if s.report.State != Paused || *s.report.Tasks[0].Restored != 0.5 {
		t.Errorf("%+v", s.report)
	}
}
