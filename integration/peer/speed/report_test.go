//go:build unix

package speed

import (
	"strings"
	"testing"
	"time"
)

// TestFigures reads a turn of ten seconds: a start of two, then 100 outputs a second, of which the
// second half cost half as much as the first.
func TestFigures(t *testing.T) {
	began := time.Now()
	at := func(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }
	all := []sample{
		{at: at(0), broker: 5 * time.Second},
		{at: at(1), cpu: time.Second, broker: 5 * time.Second},
		{at: at(2), outputs: 100, cpu: 2 * time.Second, broker: 6 * time.Second},
		{at: at(5), outputs: 400, cpu: 5 * time.Second, broker: 7 * time.Second},
		{at: at(6), outputs: 500, cpu: 6 * time.Second, broker: 8 * time.Second},
		{at: at(11), outputs: 1000, cpu: 8 * time.Second, broker: 10 * time.Second},
		{at: at(12), outputs: 1000, cpu: 9 * time.Second, broker: 11 * time.Second},
	}
	b := figuresOf(all, 1000)
	want := Bulk{CPU: 9000, Settled: 6000, Broker: 6000, Rate: 100, Seconds: 12}
	if *b != want {
		t.Errorf("figures %+v, want %+v", *b, want)
	}
	if b := figuresOf(all[5:], 1000); b.Rate != 0 || b.Settled != 0 {
		t.Errorf("outputs that came at once have a rate: %+v", *b)
	}
}

// TestGoals: one contest that meets every goal, one that meets none, one that cannot judge any.
func TestGoals(t *testing.T) {
	turns := func(scale float64) []Turn {
		bulk := func(cpu, settled, rate, peak, broker float64) *Bulk {
			return &Bulk{CPU: cpu, Settled: settled, Rate: rate, Peak: peak, Broker: broker}
		}
		return []Turn{
			{Contestant: "pawl", Verified: true,
				Bulk:  bulk(2.5*scale, 2*scale, 400_000/scale, 300e6*scale, 5*scale),
				Paced: []Paced{{20_000, 15 * scale, 40 * scale}, {1_000, 10 * scale, 20}}},
			{Contestant: "streams", Verified: true, Bulk: bulk(14, 8, 110e3, 1e9, 5)},
			{Contestant: "copy", Verified: true, Bulk: bulk(1, 0.8, 1.3e6, 2e8, 1)},
			{Contestant: "pawl-20ms", Verified: true, Bulk: bulk(3, 3, 340_000/scale, 3e8, 6)},
			{Contestant: "pawl-200ms", Verified: true, Bulk: bulk(2, 2, 400_000, 3e8, 4)},
		}
	}
	for name, test := range map[string]struct {
		turns       []Turn
		judged, met bool
	}{
		"just met": {turns(1), true, true},
		"missed":   {turns(1.01), true, false},
		"nobody":   {nil, false, false},
	} {
		r := &Report{Turns: test.turns}
		for _, turn := range test.turns {
			r.Contestants = append(r.Contestants, Standing{Name: turn.Contestant})
		}
		r.conclude()
		if len(r.Goals) != 10 {
			t.Errorf("%s: %d goals", name, len(r.Goals))
		}
		for _, g := range r.Goals {
			if g.Judged != test.judged || g.Met != test.met {
				t.Errorf("%s: goal %v: judged %v, met %v; want %v, %v", name, g, g.Judged, g.Met,
					test.judged, test.met)
			}
		}
	}
}

// TestSummary: figures of three turns, one of them wrong.
func TestSummary(t *testing.T) {
	r := &Report{Contestants: []Standing{{Name: "pawl", Title: "Pawl"}},
		Skipped: map[string]string{"goka": "no network"}}
	for i, cpu := range []float64{3, 1, 2} {
		r.Turns = append(r.Turns, Turn{Contestant: "pawl", Run: i + 1, Verified: i != 1,
			Bulk: &Bulk{CPU: cpu}, Verdict: &Verdict{Examples: []string{"this one"}}})
	}
	r.conclude()
	if got, want := r.Contestants[0].Figures[cpuWhole], (Measure{1, 2, 3}); got != want {
		t.Errorf("figures %v, want %v", got, want)
	}
	if r.Verified || r.Contestants[0].Verified {
		t.Error("a contest with a wrong output is verified")
	}
	var text strings.Builder
	if err := r.WriteTable(&text, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| Pawl | 1.00 / 2.00 / 3.00 | – |", "| no |",
		"goka was skipped: no network", "pawl, run 2, is not verified", "this one"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, text.String())
		}
	}
}

// TestOptionsAreChecked: all faults at once.
func TestOptionsAreChecked(t *testing.T) {
	o := Defaults()
	if err := o.Check(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	o.Events, o.Only, o.Rates = 1, []string{"flink"}, []int{0}
	o.Streams = []string{"linger.ms"}
	err := o.Check()
	for _, want := range []string{"--events=1 ", `--only has "flink"`, "--rates has 0",
		"--streams-set=linger.ms "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("faults %v lack %q", err, want)
		}
	}
}
