package fraud_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pawl/pipelines/fraud"
)

// TestValidateNamesEveryFault gives settings that are all wrong.
func TestValidateNamesEveryFault(t *testing.T) {
	cfg := fraud.Config{Span: time.Millisecond, Grace: 1000 * time.Hour, MaxCount: -1,
		MaxTotalCents: -1, AmountMaxCents: 1 << 62}
	cfg.EnsureDefaults()
	err := cfg.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, key := range []string{"fraud.span=1ms: ", "fraud.grace=1000h0m0s: ",
		"fraud.max.count=-1: ", "fraud.max.total.cents=-1: ",
		"fraud.amount.max.cents=4611686018427387904: "} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], key) ||
			!strings.Contains(lines[i], "; ") {
			t.Errorf("line %d of the faults does not begin with %q and mend it:\n%v", i, key, err)
		}
	}
	cfg = fraud.Config{Span: time.Second + time.Microsecond, Grace: time.Microsecond}
	cfg.EnsureDefaults()
	if err := cfg.Validate(); err == nil || strings.Count(err.Error(), "finer") != 2 {
		t.Errorf("microseconds: %v", err)
	}
}

// TestPipelineIsSound builds the pipeline with and without decisions.
func TestPipelineIsSound(t *testing.T) {
	for _, cfg := range []fraud.Config{{}, {NoDecisions: true}} {
		p := fraud.New(cfg)
		if err := p.Validate(); err != nil || p.Name() != "fraud" {
			t.Errorf("pipeline %s: %v", p.Name(), err)
		}
	}
}

func ExampleConfig_Validate() {
	cfg := fraud.Config{Span: 30 * 24 * time.Hour, AmountMaxCents: 50_000_00}
	cfg.EnsureDefaults()
	fmt.Println(cfg.Validate())
	// Output:
	// fraud.span=720h0m0s: out of range; give 1s to 168h0m0s
}

// A shop flags the fourth payment within a minute, or more than 500 dollars in it.
func ExampleNew() {
	pipeline := fraud.New(fraud.Config{Span: time.Minute, MaxCount: 3, MaxTotalCents: 500_00})
	fmt.Println(pipeline.Name(), pipeline.Validate())
	// processor.Run(ctx, processor.Config{ApplicationID: "shop", …}, pipeline)
	// Output:
	// fraud <nil>
}
