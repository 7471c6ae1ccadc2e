package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kprom"
)

// roles are the clients that an instance has.
var roles = []string{"group", "fetch", "produce", "admin", "restore"}

// clientHooks count for all clients of a role, one after another or several at once: a producer is
// replaced, a restore has a client of its own, and their counts go on.
type clientHooks struct{ *kprom.Metrics }

// OnNewClient hides kprom's, which would begin anew with each client.
func (clientHooks) OnNewClient(*kgo.Client) {}

// OnClientClosed hides kprom's, which would forget what a closed client did.
func (clientHooks) OnClientClosed(*kgo.Client) {}

// newClientHooks declares the metrics of a role's clients.
func newClientHooks(role string, to prometheus.Registerer) clientHooks {
	m := kprom.NewMetrics("pawl_kafka", kprom.Registerer(countersOnly{to}),
		kprom.WithStaticLabel(prometheus.Labels{"client": role}),
		kprom.FetchAndProduceDetail(kprom.ByTopic, kprom.Records, kprom.CompressedBytes,
			kprom.UncompressedBytes, kprom.ConsistentNaming),
		kprom.Histograms(kprom.RequestDurationE2E, kprom.RequestThrottled))
	m.OnNewClient(nil) // the client is for gauges alone, which are left out
	return clientHooks{m}
}

// countersOnly leaves out gauges: they would ask one client, and be about it alone.
type countersOnly struct{ prometheus.Registerer }

// Register implements prometheus.Registerer.
func (r countersOnly) Register(c prometheus.Collector) error {
	if _, gauge := c.(prometheus.GaugeFunc); gauge {
		return nil
	}
	return r.Registerer.Register(c)
}

// MustRegister implements prometheus.Registerer.
func (r countersOnly) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if _, gauge := c.(prometheus.GaugeFunc); !gauge {
			r.Registerer.MustRegister(c)
		}
	}
}

// ClientOptions has the clients of a role counted; it fits processor.Config.ClientOptions.
func (m *Metrics) ClientOptions(role string) []kgo.Opt {
	hooks, ok := m.clients[role]
	if !ok {
		return nil
	}
	return []kgo.Opt{kgo.WithHooks(hooks)}
}
