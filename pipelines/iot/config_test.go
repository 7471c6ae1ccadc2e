package iot_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pawl/pipelines/iot"
)

// TestValidateNamesEveryFault gives settings that are all wrong.
func TestValidateNamesEveryFault(t *testing.T) {
	t.Parallel()
	cfg := iot.Config{Span: time.Millisecond, Grace: 1000 * time.Hour, EmitInterval: time.Minute,
		AlertRepeat: 200 * time.Hour, TrendThreshold: math.NaN(),
		Limits: iot.Limits{TemperatureMin: 2000, TemperatureMax: -300, HumidityMax: 101,
			BatteryMin: -1}}
	cfg.EnsureDefaults()
	err := cfg.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{"iot.span=1ms: ", "iot.grace=1000h0m0s: ", "iot.emit.interval=1m0s: ",
		"iot.alert.repeat=200h0m0s: ", "iot.trend.threshold=NaN: ", "iot.temperature.min=2000: ",
		"iot.temperature.max=-300: ", "iot.temperature.min=2000: ", "iot.humidity.max=101: ",
		"iot.battery.min=-1: "}
	lines := strings.Split(err.Error(), "\n")
	for i, key := range want {
		if i >= len(lines) || !strings.HasPrefix(lines[i], key) ||
			!strings.Contains(lines[i], "; ") {
			t.Errorf("line %d of the faults does not begin with %q and mend it:\n%v", i, key, err)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d faults, want %d:\n%v", len(lines), len(want), err)
	}
	const odd = time.Microsecond
	cfg = iot.Config{Span: time.Second + odd, Grace: odd, EmitInterval: odd, AlertRepeat: odd}
	cfg.EnsureDefaults()
	if err := cfg.Validate(); err == nil || strings.Count(err.Error(), "finer") != 4 {
		t.Errorf("microseconds: %v", err)
	}
}

// TestDefaults fills in what is not given, and keeps what is, also when done again.
func TestDefaults(t *testing.T) {
	t.Parallel()
	var cfg iot.Config
	cfg.EnsureDefaults()
	if err := cfg.Validate(); err != nil || cfg.Span != 5*time.Minute ||
		cfg.Grace != 10*time.Second || cfg.EmitInterval != 30*time.Second ||
		cfg.AlertRepeat != 5*time.Minute || cfg.TrendThreshold != 0.02 ||
		cfg.MaxOutOfOrderness != 2*time.Second || cfg.MaxFutureSkew != time.Hour ||
		cfg.Limits != (iot.Limits{TemperatureMin: 0, TemperatureMax: 40, HumidityMax: 90,
			BatteryMin: 0.2}) {
		t.Errorf("defaults are %+v, %v", cfg, err)
	}
	const none = -5 * time.Second
	cfg = iot.Config{Grace: none, EmitInterval: none, AlertRepeat: none, TrendThreshold: -5,
		MaxOutOfOrderness: none, MaxFutureSkew: none,
		Limits: iot.Limits{TemperatureMin: -30, HumidityMax: 50}}
	for range 2 {
		cfg.EnsureDefaults()
		if err := cfg.Validate(); err != nil || cfg.Grace >= 0 || cfg.EmitInterval >= 0 ||
			cfg.AlertRepeat >= 0 || cfg.TrendThreshold >= 0 || cfg.MaxOutOfOrderness >= 0 ||
			cfg.MaxFutureSkew >= 0 || cfg.Limits.TemperatureMax != 0 {
			t.Errorf("given settings became %+v, %v", cfg, err)
		}
		for _, d := range []time.Duration{cfg.Grace, cfg.EmitInterval, cfg.AlertRepeat,
			cfg.MaxOutOfOrderness, cfg.MaxFutureSkew} {
			if d.Milliseconds() != 0 {
				t.Errorf("none became %v", d)
			}
		}
	}
}

func ExampleConfig_Validate() {
	cfg := iot.Config{Span: time.Minute, EmitInterval: 2 * time.Minute}
	cfg.EnsureDefaults()
	fmt.Println(cfg.Validate())
	// Output:
	// iot.emit.interval=2m0s: out of range; give 0s to 1m0s, which is iot.span
}
