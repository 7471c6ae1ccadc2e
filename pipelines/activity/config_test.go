package activity_test

import (
	"strings"
	"testing"
	"time"

	"pawl/pipelines/activity"
)

// TestDefaults are those of the contract.
func TestDefaults(t *testing.T) {
	t.Parallel()
	var cfg activity.Config
	cfg.EnsureDefaults()
	want := activity.Config{Grace: 10 * time.Second, DedupeHorizon: 10 * time.Minute,
		BatchSize: 100, MaxOutOfOrderness: 2 * time.Second, MaxFutureSkew: time.Hour}
	if cfg != want {
		t.Errorf("defaults %+v, want %+v", cfg, want)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

// TestNoneStaysNone fills in defaults as often as settings, pipeline and oracle do.
func TestNoneStaysNone(t *testing.T) {
	t.Parallel()
	cfg := activity.Config{Grace: -1, MaxOutOfOrderness: -1, MaxFutureSkew: -1}
	for range 3 {
		cfg.EnsureDefaults()
	}
	if cfg.Grace > 0 || cfg.MaxOutOfOrderness > 0 || cfg.MaxFutureSkew > 0 {
		t.Errorf("none became %+v", cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

// TestValidateNamesEveryFault gives settings that are all wrong.
func TestValidateNamesEveryFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  activity.Config
		want []string
	}{
		{activity.Config{Grace: 1000 * time.Hour, DedupeHorizon: time.Millisecond, BatchSize: -1},
			[]string{"activity.grace=1000h0m0s: too long; ",
				"activity.dedupe.horizon=1ms: out of range; ",
				"activity.batch.size=-1: out of range; "}},
		{activity.Config{Grace: time.Microsecond, DedupeHorizon: time.Minute + 1,
			BatchSize: 1 << 40},
			[]string{"activity.grace=1µs: finer than a millisecond; ",
				"activity.dedupe.horizon=1m0.000000001s: finer than a millisecond; ",
				"activity.batch.size=1099511627776: out of range; "}},
		{activity.Config{DedupeHorizon: 1000 * time.Hour},
			[]string{"activity.dedupe.horizon=1000h0m0s: out of range; "}},
	} {
		c.cfg.EnsureDefaults()
		err := c.cfg.Validate()
		if err == nil {
			t.Errorf("%+v: no error", c.cfg)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(c.want) {
			t.Errorf("%+v: %d faults, want %d:\n%v", c.cfg, len(lines), len(c.want), err)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(lines[i], want) {
				t.Errorf("line %d of the faults does not begin with %q:\n%v", i, want, err)
			}
		}
	}
}

// TestPipelineIsSound builds the pipeline.
func TestPipelineIsSound(t *testing.T) {
	t.Parallel()
	p := activity.New(activity.Config{})
	if err := p.Validate(); err != nil || p.Name() != "activity" {
		t.Errorf("pipeline %s: %v", p.Name(), err)
	}
}
