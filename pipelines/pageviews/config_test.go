package pageviews_test

import (
	"strings"
	"testing"
	"time"

	"pawl/pipelines/pageviews"
)

// TestDefaults are the contract's.
func TestDefaults(t *testing.T) {
	t.Parallel()
	var cfg pageviews.Config
	cfg.EnsureDefaults()
	want := pageviews.Config{Span: 5 * time.Minute, MaxOutOfOrderness: 2 * time.Second,
		MaxFutureSkew: time.Hour}
	if cfg != want {
		t.Errorf("defaults %+v, want %+v", cfg, want)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	cfg = pageviews.Config{Grace: -1, MaxOutOfOrderness: -1, MaxFutureSkew: -1}
	cfg.EnsureDefaults()
	if want := (pageviews.Config{Span: 5 * time.Minute, Grace: -1, MaxOutOfOrderness: -1,
		MaxFutureSkew: -1}); cfg != want {
		t.Errorf("negative ones became %+v, want %+v", cfg, want)
	}
}

// TestValidateNamesEveryFault gives settings that are all wrong.
func TestValidateNamesEveryFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  pageviews.Config
		want []string
	}{
		{pageviews.Config{Span: time.Millisecond, Grace: 1000 * time.Hour},
			[]string{"pageviews.span=1ms: out of", "pageviews.grace=1000h0m0s: too long"}},
		{pageviews.Config{Span: time.Hour + time.Second, Grace: time.Microsecond},
			[]string{"pageviews.span=1h0m1s: out of", "pageviews.grace=1µs: finer"}},
		{pageviews.Config{Span: 1500 * time.Millisecond}, []string{"pageviews.span=1.5s: finer"}},
		{pageviews.Config{Span: time.Second, Grace: time.Hour}, nil},
		{pageviews.Config{Span: time.Hour, Grace: time.Millisecond}, nil},
	} {
		c.cfg.EnsureDefaults()
		var lines []string
		if err := c.cfg.Validate(); err != nil {
			lines = strings.Split(err.Error(), "\n")
		}
		if len(lines) != len(c.want) {
			t.Errorf("%+v: %d faults, want %d: %q", c.cfg, len(lines), len(c.want), lines)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(lines[i], want) || !strings.Contains(lines[i], "; ") {
				t.Errorf("line %d does not begin with %q and mend it: %s", i, want, lines[i])
			}
		}
	}
}

// TestPipelineIsSound builds the pipeline.
func TestPipelineIsSound(t *testing.T) {
	t.Parallel()
	p := pageviews.New(pageviews.Config{})
	if err := p.Validate(); err != nil || p.Name() != "pageviews" {
		t.Errorf("pipeline %s: %v", p.Name(), err)
	}
}
