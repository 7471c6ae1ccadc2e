package settings

import (
	"time"

	"pawl/pipelines/activity"
	"pawl/pipelines/fraud"
	"pawl/pipelines/funnel"
	"pawl/pipelines/iot"
	"pawl/pipelines/iot/devices"
	"pawl/pipelines/pageviews"
)

// Fraud is the fraud pipeline's configuration with its defaults filled in.
func (s *Settings) Fraud() fraud.Config {
	disorder, skew := s.times()
	cfg := fraud.Config{
		Span:              s.Duration("fraud.span"),
		Grace:             minus(s.Duration("fraud.grace")),
		MaxCount:          int(s.Int("fraud.max.count")),
		MaxTotalCents:     s.Int("fraud.max.total.cents"),
		AmountMaxCents:    s.Int("fraud.amount.max.cents"),
		NoDecisions:       !s.Bool("fraud.decisions"),
		MaxOutOfOrderness: disorder,
		MaxFutureSkew:     skew,
	}
	cfg.EnsureDefaults()
	return cfg
}

// Activity is the activity pipeline's configuration with its defaults filled in.
func (s *Settings) Activity() activity.Config {
	disorder, skew := s.times()
	cfg := activity.Config{
		Grace:             minus(s.Duration("activity.grace")),
		DedupeHorizon:     s.Duration("activity.dedupe.horizon"),
		BatchSize:         int(s.Int("activity.batch.size")),
		MaxOutOfOrderness: disorder,
		MaxFutureSkew:     skew,
	}
	cfg.EnsureDefaults()
	return cfg
}

// IoT is the iot pipeline's configuration with its defaults filled in.
func (s *Settings) IoT() iot.Config {
	disorder, skew := s.times()
	cfg := iot.Config{
		Span:           s.Duration("iot.span"),
		Grace:          minus(s.Duration("iot.grace")),
		EmitInterval:   minus(s.Duration("iot.emit.interval")),
		AlertRepeat:    minus(s.Duration("iot.alert.repeat")),
		TrendThreshold: s.Float("iot.trend.threshold"),
		Limits: iot.Limits{
			TemperatureMin: s.Float("iot.temperature.min"),
			TemperatureMax: s.Float("iot.temperature.max"),
			HumidityMax:    s.Float("iot.humidity.max"),
			BatteryMin:     s.Float("iot.battery.min"),
		},
		MaxOutOfOrderness: disorder,
		MaxFutureSkew:     skew,
	}
	service := devices.ClientConfig{URL: s.Text("iot.devices.url")}
	if client, err := devices.NewClient(service); err == nil {
		cfg.Devices, cfg.Known = client.Find, devices.Of
	}
	if cfg.TrendThreshold == 0 {
		cfg.TrendThreshold = -1
	}
	cfg.EnsureDefaults()
	return cfg
}

// PageViews is the pageviews pipeline's configuration with its defaults filled in.
func (s *Settings) PageViews() pageviews.Config {
	disorder, skew := s.times()
	cfg := pageviews.Config{
		Span:              s.Duration("pageviews.span"),
		Grace:             minus(s.Duration("pageviews.grace")),
		MaxOutOfOrderness: disorder,
		MaxFutureSkew:     skew,
	}
	cfg.EnsureDefaults()
	return cfg
}

// Funnel is the funnel pipeline's configuration with its defaults filled in.
func (s *Settings) Funnel() funnel.Config {
	disorder, skew := s.times()
	cfg := funnel.Config{
		Gap:               s.Duration("funnel.gap"),
		Grace:             minus(s.Duration("funnel.grace")),
		Within:            s.Duration("funnel.within"),
		MaxOutOfOrderness: disorder,
		MaxFutureSkew:     skew,
	}
	cfg.EnsureDefaults()
	return cfg
}

// times are the engine's settings that generators and oracles must know.
func (s *Settings) times() (disorder, skew time.Duration) {
	return minus(s.Duration("max.out.of.orderness")), minus(s.Duration("max.future.skew"))
}
