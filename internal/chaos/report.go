package chaos

import (
	"time"

	"pawl/audit"
	"pawl/internal/verify"
)

// Violation is something that must never be.
type Violation struct {
	Invariant string `json:"invariant"`
	Where     string `json:"where"`
	Detail    string `json:"detail"`
}

// Entry is one fault of the timeline; times are in seconds since the campaign's beginning.
type Entry struct {
	Kind     Kind    `json:"kind"`
	Lane     Lane    `json:"lane"`
	Number   int     `json:"number"`
	At       float64 `json:"at"`
	Until    float64 `json:"until"`
	Target   string  `json:"target"`
	Effect   string  `json:"effect"`                    // empty: it took none and does not count
	From     float64 `json:"recovering_from,omitempty"` // the kill, or when it was healed
	Recovery float64 `json:"recovery_seconds,omitempty"`
	Error    string  `json:"error,omitempty"`
}

// entry is the case as it stands.
func (c *Case) entry() Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := Entry{Kind: c.Kind, Lane: c.Kind.Trait().Lane, Number: c.Number, At: c.at(c.began),
		Target: c.target, Effect: c.effect,
		Recovery: c.recovery.Round(time.Millisecond).Seconds()}
	if !c.from.IsZero() {
		e.From = c.at(c.from)
	}
	ended := c.ended
	if ended.IsZero() {
		ended = time.Now()
	}
	e.Until = c.at(ended)
	if c.err != nil {
		e.Error = c.err.Error()
	}
	return e
}

// Sample is the application at one moment.
type Sample struct {
	At        float64 `json:"at"`
	Sent      int64   `json:"sent"`      // records, since the beginning
	Processed int64   `json:"processed"` // the same
	Lag       int64   `json:"lag"`
}

// Recovery is the spread of recovery times, in seconds.
type Recovery struct {
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
	Count int     `json:"count"`
}

// Instance is what became of one process's runs.
type Instance struct {
	Name    string `json:"name"`
	Starts  int    `json:"starts"`
	PeakRSS int64  `json:"peak_rss_bytes"` // of its largest run
}

// Report is the JSON of a campaign.
type Report struct {
	Seed        uint64                    `json:"seed"`
	Broker      string                    `json:"broker"` // embedded, local or an address
	Brokers     int                       `json:"brokers"`
	Duration    float64                   `json:"duration_seconds"`
	Rate        int                       `json:"rate"` // records per second and pipeline
	Faults      map[Kind]int              `json:"faults"`
	FaultsTotal int                       `json:"faults_total"`
	Records     int64                     `json:"records"`
	Committed   int64                     `json:"epochs_committed"`
	Aborted     int64                     `json:"epochs_aborted"`
	Unconfirmed int64                     `json:"commits_unconfirmed"`
	Recovery    Recovery                  `json:"recovery_seconds"`
	Oracle      string                    `json:"oracle"` // match or mismatch
	Violations  []Violation               `json:"violations"`
	Pipelines   map[string]*verify.Report `json:"pipelines"`
	Audits      map[string]*audit.Report  `json:"audits"`
	Drain       float64                   `json:"drain_seconds"`
	Verify      float64                   `json:"verify_seconds"`
	Instances   []Instance                `json:"instances"`
	Timeline    []Entry                   `json:"timeline"`
	Samples     []Sample                  `json:"samples"`
}

// Tell fills in what the campaign knows.
func (r *Report) Tell(c *Campaign) {
	r.Seed, r.Faults, r.Timeline = c.Seed, c.Done(), c.Timeline()
	r.FaultsTotal = 0
	for _, n := range r.Faults {
		r.FaultsTotal += n
	}
	all := c.Recoveries()
	r.Recovery = Recovery{P50: quantile(all, 50), P99: quantile(all, 99), Max: quantile(all, 100),
		Count: len(all)}
	r.Violations = append(r.Violations, c.Unrecovered()...)
}

// quantile of sorted times, in seconds: the smallest with at least that many per cent at or below.
func quantile(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1].Round(time.Millisecond).Seconds()
}
