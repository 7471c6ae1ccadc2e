package metrics

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
)

// TestClientsOfARoleAreOne: the counts of a role go on when its client is replaced, and two clients
// may have it at once.
func TestClientsOfARoleAreOne(t *testing.T) {
	m := New("fraud", idle)
	broker := kgo.BrokerMetadata{NodeID: 2}
	for range 2 {
		opts := append(m.ClientOptions("restore"), kgo.SeedBrokers("127.0.0.1:1"))
		first, err := kgo.NewClient(opts...)
		if err != nil {
			t.Fatal(err)
		}
		second, err := kgo.NewClient(opts...)
		if err != nil {
			t.Fatal(err)
		}
		hooks := m.clients["restore"]
		hooks.OnBrokerE2E(broker, 1, kgo.BrokerE2E{BytesWritten: 10, BytesRead: 30,
			TimeToRead: 2 * time.Millisecond})
		hooks.OnBrokerE2E(broker, 1, kgo.BrokerE2E{WriteErr: io.EOF})
		hooks.OnFetchBatchRead(broker, "changelog", 0, kgo.FetchBatchMetrics{NumRecords: 4,
			CompressedBytes: 100})
		first.Close()
		second.Close()
	}
	wantLines(t, scrape(t, m),
		`pawl_kafka_write_bytes_total{client="restore",node_id="2",pipeline="fraud"} 20`,
		`pawl_kafka_write_errors_total{client="restore",node_id="2",pipeline="fraud"} 2`,
		`pawl_kafka_fetch_records_total{client="restore",pipeline="fraud",topic="changelog"} 8`,
		`pawl_kafka_request_duration_e2e_seconds_count{client="restore",node_id="2",`+
			`pipeline="fraud"} 2`)
	if m.ClientOptions("nobody") != nil {
		t.Error("an unknown role is counted")
	}
}

// TestScrapeDuringLoad has everything told at once while it is scraped; the race detector judges.
func TestScrapeDuringLoad(t *testing.T) {
	m := New("fraud", idle)
	p := processor.New("fraud")
	processor.Count(p, "fraud_alerts_total", "Alerts.", "reason", "COUNT")
	m.Count(p.Counters())
	l, hooks := m.Listener(), m.clients["produce"]
	counted := []processor.Counted{{Counter: "fraud_alerts_total", Value: "COUNT", N: 2}}
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for i := range 300 {
				task := processor.TaskEpoch{Task: "fraud-0", Records: 3, Counted: counted}
				task.Latencies[i%24] = 3
				l.EpochCommitted(processor.EpochInfo{Records: 3,
					Open:    time.Duration(i) * time.Millisecond,
					PerTask: []processor.TaskEpoch{task}})
				l.EpochAborted(processor.AbortInfo{Reason: "produce"})
				l.Restore(processor.RestoreInfo{Task: "fraud-0", Target: 9, Done: i%2 == 0})
				l.TaskState(processor.TaskStateInfo{Task: "fraud-0", State: processor.TaskRunning})
				hooks.OnBrokerE2E(kgo.BrokerMetadata{NodeID: 1}, 0, kgo.BrokerE2E{BytesRead: 1})
			}
		})
	}
	for range 20 {
		scrape(t, m)
	}
	work.Wait()
	wantLines(t, scrape(t, m),
		`fraud_alerts_total{pipeline="fraud",reason="COUNT"} 2400`,
		`fraud_alerts_total{pipeline="fraud",reason="other"} 0`,
		`pawl_record_latency_seconds_count{pipeline="fraud"} 3600`,
		`pawl_kafka_read_bytes_total{client="produce",node_id="1",pipeline="fraud"} 1200`)
}
