//go:build unix

package views

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/integration/harness"
	"pawl/internal/verify"
)

var shared harness.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// few are options of a contest that takes seconds, and has event time enough for windows of every
// kind to close.
func few(t *testing.T) Options {
	o := Defaults()
	o.Events, o.Pace, o.Users, o.Sensors, o.Pages = 8_000, 16, 60, 40, 20
	o.Partitions, o.Runs, o.Limit = 2, 1, 2*time.Minute
	o.Dir, o.Told = t.TempDir(), func(line string) { t.Log(line) }
	return o
}

// given is where a test's contest takes place.
func given(t *testing.T) Options {
	o := few(t)
	o.Kafka, o.Registry = shared.Kafka(t).Bootstrap(), shared.Registry(t).URL()
	o.Pawl = shared.Pawl(t)
	return o
}

// TestSameResults is the whole of it: both run each pipeline on the same input, and what they leave
// is right.
func TestSameResults(t *testing.T) {
	harness.Streams(t)
	o := given(t)
	for name, users := range map[string]int{"activity,pageviews,iot": 60, "funnel": 2000} {
		o.Only, o.Users = strings.Split(name, ","), users // few, or sessions would not end
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := r.Print(&text); err != nil {
			t.Fatal(err)
		}
		if !r.Verified || len(r.Pipelines) != len(o.Only) {
			t.Errorf("%d pipelines, verified: %v\n%s", len(r.Pipelines), r.Verified, &text)
		}
		for _, p := range r.Pipelines {
			measured(t, o, p)
			for _, title := range []string{"Pawl ", "Kafka Streams "} {
				row := p.Pipeline + " (" + p.Windows + "), " + title
				if !strings.Contains(text.String(), row) {
					t.Errorf("%q is not in the table:\n%s", row, &text)
				}
			}
		}
	}
	nothingLeft(t, o)
}

// measured checks that figures are there, and that the input had all that tells the two apart.
func measured(t *testing.T, o Options, p Result) {
	t.Helper()
	if p.Outputs == 0 || p.Broken == 0 || p.Late == 0 {
		t.Errorf("%s: %d outputs, %d broken records, %d late ones; want some of each", p.Pipeline,
			p.Outputs, p.Broken, p.Late)
	}
	for _, peer := range p.Peers {
		if peer.CPU.Median <= p.Pawl.CPU.Median || p.Pawl.CPU.Median <= 0 {
			t.Errorf("%s: a start of Java was no work: %+v, %+v", p.Pipeline, peer, p.Pawl)
		}
	}
	if len(p.Turns) != 1+len(p.Peers) || len(p.Peers) == 0 {
		t.Errorf("%s: %d turns of %d peers", p.Pipeline, len(p.Turns), len(p.Peers))
	}
	for _, turn := range p.Turns {
		if turn.Verdict.Outputs != p.Outputs || turn.Rate <= 0 || turn.PeakMiB <= 0 ||
			turn.Records < o.Events {
			t.Errorf("%s of %s was not measured: %+v", turn.Contestant, p.Pipeline, turn)
		}
	}
}

// nothingLeft checks that the contests removed their topics and groups.
func nothingLeft(t *testing.T, o Options) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(o.Kafka))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	groups, err := adm.ListGroups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(topics.Names(), groups.Groups()...) {
		if strings.HasPrefix(name, "pawl-views-") {
			t.Errorf("%s was left behind", name)
		}
	}
}

// TestWrongResultsAreFound: outputs that are right are not any more after somebody changed them.
func TestWrongResultsAreFound(t *testing.T) {
	o := given(t)
	f, err := openField(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	pawl, err := f.preparePawl(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.preload(t.Context(), all()[0])
	if err != nil {
		t.Fatal(err)
	}
	turn, err := a.turn(t.Context(), pawl, 1)
	if err != nil {
		t.Fatal(err)
	}
	if v := turn.Verdict; !v.Right() || v.Outputs != a.truth.count {
		t.Fatalf("before any change: %v, want %d outputs\n%s", v, a.truth.count,
			strings.Join(v.Examples, "\n"))
	}
	for i, out := range a.outputs {
		damage(t, a, a.prefix+out.topic)
		v, err := a.judge(t.Context(), a.prefix)
		if err != nil {
			t.Fatal(err)
		}
		// One is repeated, one is new, and one is gone, of each topic so far.
		n := int64(i + 1)
		if v.Extra != 2*n || v.Missing != n || v.Right() ||
			int64(len(v.Examples)) != min(2*n, examples)+n {
			t.Errorf("%s was changed, but the verdict is %v, %q", out.topic, v, v.Examples)
		}
	}
}

// damage repeats a topic's last record, adds one with another timestamp, and deletes the first.
func damage(t *testing.T, a *arena, topic string) {
	t.Helper()
	source, err := a.source("")
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	bounds, err := source.Bounds(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var records []*kgo.Record // of one partition
	for p, b := range bounds {
		var those []*kgo.Record
		err := verify.Each(t.Context(), source, topic, int32(p), b, func(r *kgo.Record) error {
			those = append(those, r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(those) > len(records) {
			records = those
		}
	}
	if len(records) < 2 {
		t.Fatalf("%s has too few records to change", topic)
	}
	first, last := records[0], records[len(records)-1]
	cl, err := kgo.NewClient(append(a.seeds(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	again := &kgo.Record{Topic: topic, Partition: last.Partition, Key: last.Key, Value: last.Value,
		Timestamp: last.Timestamp}
	other := *again
	other.Timestamp = other.Timestamp.Add(-time.Millisecond)
	if err := cl.ProduceSync(t.Context(), again, &other).FirstErr(); err != nil {
		t.Fatal(err)
	}
	gone := kadm.Offsets{}
	gone.Add(kadm.Offset{Topic: topic, Partition: first.Partition, At: first.Offset + 1})
	deleted, err := a.adm.DeleteRecords(t.Context(), gone)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestReport checks the arithmetic of ratios and of the goal.
func TestReport(t *testing.T) {
	turn := func(contestant string, settled float64, missing int64) *Turn {
		return &Turn{Contestant: contestant, Settled: settled, CPU: 2 * settled,
			Verdict: &Verdict{Outputs: 1, Missing: missing}}
	}
	for name, c := range map[string]struct {
		streams, pawl []float64
		missing       int64
		ratio         float64
		verdict       string
	}{
		"met":          {[]float64{9, 30, 10}, []float64{2, 3, 4}, 0, 10.0 / 3, "met"},
		"just":         {[]float64{6}, []float64{2}, 0, 3, "met"},
		"not met":      {[]float64{5.9}, []float64{2}, 0, 2.95, "not met"},
		"even":         {[]float64{4, 8}, []float64{1, 3}, 0, 3, "met"},
		"not verified": {[]float64{9}, []float64{1}, 1, 9, "not verified"},
		"short":        {[]float64{9}, []float64{0}, 0, 0, "too few events to tell"},
	} {
		var turns []*Turn
		for _, s := range c.streams {
			turns = append(turns, turn(streamsName, s, 0), turn(windowsName, 10*s, 0))
		}
		for _, s := range c.pawl {
			turns = append(turns, turn(pawlName, s, c.missing))
		}
		r := newReport(context.Background(), Defaults(), nil)
		r.add(all()[0], []contestant{{name: windowsName}, {name: streamsName}, {name: pawlName}},
			new(truth), turns)
		p := r.Pipelines[0]
		s := p.Peers[1]
		if s.Ratio != c.ratio || s.Whole != c.ratio || p.verdict(s) != c.verdict ||
			r.Met != (c.verdict == "met") || r.Verified != (c.missing == 0) ||
			p.Peers[0].Ratio < 9.9*c.ratio {
			t.Errorf("%s: ratio %v, %s; the report: met %v, verified %v", name, s.Ratio,
				p.verdict(s), r.Met, r.Verified)
		}
	}
}

// TestOptionsAreChecked: all faults at once.
func TestOptionsAreChecked(t *testing.T) {
	o := Defaults()
	if err := o.Check(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	o.Events, o.Runs, o.Only, o.Kafka = 1, 0, []string{"fraud"}, "127.0.0.1:9"
	err := o.Check()
	for _, want := range []string{"--events=1 ", "--runs=0 ", `--only has "fraud"`, "--registry"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not among the faults: %v", want, err)
		}
	}
}
