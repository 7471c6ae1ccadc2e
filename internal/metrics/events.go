package metrics

import "github.com/prometheus/client_golang/prometheus"

// Events adds how many clients have events sent, and how many events they lost.
func (m *Metrics) Events(clients func() int, lost func() int64) {
	m.ours.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "pawl_event_clients",
			Help: "Clients that have events sent, by GET /v1/events.",
		}, func() float64 { return float64(clients()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "pawl_events_lost_total",
			Help: "Events that clients of /v1/events were too slow for.",
		}, func() float64 { return float64(lost()) }))
}
