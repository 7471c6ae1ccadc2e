package funnel_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pawl/pipelines/funnel"
)

// TestValidateNamesEveryFault gives settings that are all wrong.
func TestValidateNamesEveryFault(t *testing.T) {
	cfg := funnel.Config{Gap: time.Millisecond, Grace: 1000 * time.Hour, Within: -time.Second}
	cfg.EnsureDefaults()
	err := cfg.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, key := range []string{"funnel.gap=1ms: ", "funnel.grace=1000h0m0s: ",
		"funnel.within=-1s: "} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], key) ||
			!strings.Contains(lines[i], "; ") {
			t.Errorf("line %d of the faults does not begin with %q and mend it:\n%v", i, key, err)
		}
	}
	cfg = funnel.Config{Gap: time.Second + time.Microsecond, Grace: time.Microsecond,
		Within: time.Hour + time.Microsecond}
	cfg.EnsureDefaults()
	if err := cfg.Validate(); err == nil || strings.Count(err.Error(), "finer") != 3 {
		t.Errorf("microseconds: %v", err)
	}
}

// TestDefaultsAreTheContract holds the defaults, and what negative values mean.
func TestDefaultsAreTheContract(t *testing.T) {
	var cfg funnel.Config
	cfg.EnsureDefaults()
	want := funnel.Config{Gap: 300 * time.Second, Grace: 10 * time.Second, Within: 30 * time.Minute,
		MaxOutOfOrderness: 2 * time.Second, MaxFutureSkew: time.Hour}
	if cfg != want || cfg.Validate() != nil {
		t.Errorf("defaults are %+v, %v", cfg, cfg.Validate())
	}
	none := funnel.Config{Grace: -1, MaxOutOfOrderness: -1, MaxFutureSkew: -1}
	none.EnsureDefaults()
	cfg = none
	cfg.EnsureDefaults()
	if cfg != none || cfg.Grace >= 0 || cfg.Validate() != nil {
		t.Errorf("none becomes %+v, then %+v, %v", none, cfg, cfg.Validate())
	}
}

// TestPipelineIsSound builds the pipeline.
func TestPipelineIsSound(t *testing.T) {
	p := funnel.New(funnel.Config{})
	if err := p.Validate(); err != nil || p.Name() != "funnel" {
		t.Errorf("pipeline %s: %v", p.Name(), err)
	}
}

func ExampleConfig_Validate() {
	cfg := funnel.Config{Gap: 30 * 24 * time.Hour, Within: 24 * time.Hour}
	cfg.EnsureDefaults()
	fmt.Println(cfg.Validate())
	// Output:
	// funnel.gap=720h0m0s: out of range; give 1s to 168h0m0s
}
