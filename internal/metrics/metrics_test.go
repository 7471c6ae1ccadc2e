package metrics

import (
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"pawl/processor"
)

// scrape gives the metrics as Prometheus reads them.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(rec.Result().Body)
	if err != nil || rec.Code != 200 {
		t.Fatalf("scrape: status %d, %v\n%s", rec.Code, err, body)
	}
	return string(body)
}

func wantLines(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("missing %s", line)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(got) {
			if strings.Contains(line, "pawl_") || strings.Contains(line, "message") {
				t.Log(line)
			}
		}
	}
}

// value is the value of a series.
func value(t *testing.T, got, series string) float64 {
	t.Helper()
	_, rest, found := strings.Cut(got, series+" ")
	line, _, _ := strings.Cut(rest, "\n")
	v, err := strconv.ParseFloat(line, 64)
	if !found || err != nil {
		t.Fatalf("%s: %q, %v", series, line, err)
	}
	return v
}

func idle() processor.Status { return processor.Status{State: "RUNNING"} }

func TestEventsBecomeSeries(t *testing.T) {
	m := New("fraud", idle)
	l := m.Listener()
	l.TaskState(processor.TaskStateInfo{Task: "fraud-1", State: "RESTORING"})
	l.TaskState(processor.TaskStateInfo{Task: "fraud-0", State: "RESTORING"})
	l.Restore(processor.RestoreInfo{Task: "fraud-0", Records: 40, Offset: 40, Target: -1})
	l.Restore(processor.RestoreInfo{Task: "fraud-1", Records: 40, Offset: 40, Target: 65})
	l.Restore(processor.RestoreInfo{Task: "fraud-0", Records: 70, Offset: 70, Target: 70,
		Elapsed: 2 * time.Second, Done: true})
	l.TaskState(processor.TaskStateInfo{Task: "fraud-0", State: "RUNNING"})
	l.Waiting(processor.WaitInfo{Task: "fraud-1", What: "the registry"})
	for result, n := range map[processor.CheckpointResult]int64{processor.CheckpointWritten: 10,
		processor.CheckpointFailed: 5, processor.CheckpointUnchanged: 0,
		processor.CheckpointSuperseded: 0} {
		l.Checkpoint(processor.CheckpointInfo{Task: "fraud-0", Result: result, Uploaded: n})
	}
	l.DeadLettered(processor.DeadLetterInfo{Task: "fraud-0", Exception: "DecodeError"})
	task := processor.TaskEpoch{Task: "fraud-0", Records: 10, Dead: 1, Late: 2, Bytes: 300,
		Deduplicated: 3, Filtered: 4, Shed: 5}
	task.Latencies[3], task.Latencies[6] = 6, 4
	l.EpochCommitted(processor.EpochInfo{Records: 10, Outputs: 8, Changes: 6,
		Open:     30 * time.Millisecond,
		Duration: 20 * time.Millisecond, PerTask: []processor.TaskEpoch{task}})
	l.EpochAborted(processor.AbortInfo{Reason: "fenced"})
	l.EpochAborted(processor.AbortInfo{Reason: "timeout", Unconfirmed: true})
	got := scrape(t, m)
	left := `pawl_restore_remaining_records{pipeline="fraud",task="fraud-0"}`
	if strings.Contains(got, left) {
		t.Errorf("a task that runs still has %s", left)
	}
	wantLines(t, got,
		`messages_processed_total{pipeline="fraud",task="fraud-0"} 10`,
		`messages_processed_total{pipeline="fraud",task="fraud-1"} 0`,
		`pawl_produced_bytes_total{pipeline="fraud",task="fraud-0"} 300`,
		`pawl_dead_lettered_total{pipeline="fraud",task="fraud-0"} 1`,
		`pawl_late_total{pipeline="fraud",task="fraud-0"} 2`,
		`pawl_deduplicated_total{pipeline="fraud",task="fraud-0"} 3`,
		`pawl_filtered_total{pipeline="fraud",task="fraud-0"} 4`,
		`pawl_shed_total{pipeline="fraud",task="fraud-0"} 5`,
		`pawl_restored_records_total{pipeline="fraud",task="fraud-0"} 70`,
		`pawl_checkpoints_total{pipeline="fraud",task="fraud-0"} 1`,
		`pawl_checkpoint_failures_total{pipeline="fraud",task="fraud-0"} 1`,
		`pawl_checkpoint_uploaded_bytes_total{pipeline="fraud",task="fraud-0"} 15`,
		`pawl_restore_remaining_records{pipeline="fraud",task="fraud-1"} 25`,
		`pawl_restore_seconds_sum{pipeline="fraud"} 2`,
		`pawl_task_transitions_total{pipeline="fraud",state="RESTORING",task="fraud-0"} 1`,
		`pawl_task_transitions_total{pipeline="fraud",state="RUNNING",task="fraud-0"} 1`,
		`pawl_waits_total{pipeline="fraud",task="fraud-1"} 1`,
		`pawl_output_records_total{pipeline="fraud"} 8`,
		`pawl_state_changes_total{pipeline="fraud"} 6`,
		`pawl_dead_letters_by_exception_total{exception="DecodeError",pipeline="fraud"} 1`,
		`pawl_epochs_committed_total{pipeline="fraud"} 1`,
		`pawl_epochs_aborted_total{pipeline="fraud",reason="fenced"} 1`,
		`pawl_epochs_aborted_total{pipeline="fraud",reason="timeout"} 1`,
		`pawl_commits_unconfirmed_total{pipeline="fraud"} 1`,
		`message_processing_seconds_count{pipeline="fraud"} 10`,
		`message_processing_seconds_sum{pipeline="fraud"} 0.01`,
		`message_processing_seconds_bucket{pipeline="fraud",le="0.000512"} 0`,
		`message_processing_seconds_bucket{pipeline="fraud",le="0.001024"} 10`,
		`pawl_record_latency_seconds_bucket{pipeline="fraud",le="0.004"} 0`,
		`pawl_record_latency_seconds_bucket{pipeline="fraud",le="0.008"} 6`,
		`pawl_record_latency_seconds_bucket{pipeline="fraud",le="0.064"} 10`,
		`pawl_commit_seconds_sum{pipeline="fraud"} 0.02`,
		`pawl_epoch_records_sum{pipeline="fraud"} 10`,
	)
}

func TestEnrichmentsBecomeSeries(t *testing.T) {
	m := New("fraud", idle)
	l := m.Listener()
	for result, n := range map[processor.EnrichResult]int{processor.EnrichAnswered: 3,
		processor.EnrichError: 2, processor.EnrichRefused: 1, processor.EnrichCached: 4} {
		for range n {
			l.Enriched(processor.EnrichInfo{Task: "fraud-0", Enrichment: "risk", Result: result,
				For: 3 * time.Millisecond})
		}
	}
	l.Tripped(processor.TripInfo{Task: "fraud-0", Topic: "in", Exception: "Rejected"})
	for _, state := range []string{"open", "half-open"} {
		l.Breaker(processor.BreakerInfo{Task: "fraud-0", Enrichment: "risk", State: state})
	}
	calls := `pawl_enrich_calls_total{enrichment="risk",pipeline="fraud",result="`
	breaker := `pawl_enrich_breaker_state{enrichment="risk",pipeline="fraud",state="`
	wantLines(t, scrape(t, m),
		calls+`answered",task="fraud-0"} 3`,
		calls+`error",task="fraud-0"} 2`,
		calls+`refused",task="fraud-0"} 1`,
		calls+`cached",task="fraud-0"} 4`,
		breaker+`open",task="fraud-0"} 0`,
		breaker+`half-open",task="fraud-0"} 1`,
		breaker+`closed",task="fraud-0"} 0`,
		`pawl_enrich_call_seconds_count{enrichment="risk",pipeline="fraud"} 6`,
	)
}

func TestSnapshotBecomesGauges(t *testing.T) {
	m := New("fraud", func() processor.Status {
		return processor.Status{State: "RUNNING", OpenTransaction: 1500 * time.Millisecond,
			Tasks: []processor.TaskStatus{{Name: "fraud-0", State: "RESTORING", Epoch: 9,
				Watermark: time.UnixMilli(2500), OverlayBytes: 10, CacheBytes: 20,
				BufferedBytes: 30, StoredBytes: 40, RestoreDone: 0.25,
				HotKeys: []processor.HotKey{{Key: "u1", Share: 0.4}, {Key: "u2", Share: 0.1}},
				Inputs: []processor.InputStatus{
					{Topic: "transactions", Partition: 3, Offset: 5, End: 12, LSO: 11}}}}}
	})
	got := scrape(t, m)
	wantLines(t, got,
		`pawl_instance_state{pipeline="fraud",state="RUNNING"} 1`,
		`pawl_task_state{pipeline="fraud",state="RESTORING",task="fraud-0"} 1`,
		`pawl_open_transaction_age_seconds{pipeline="fraud"} 1.5`,
		`pawl_consumer_lag{partition="3",pipeline="fraud",topic="transactions"} 7`,
		`pawl_lso_lag{partition="3",pipeline="fraud",topic="transactions"} 1`,
		`pawl_committed_offset{partition="3",pipeline="fraud",topic="transactions"} 5`,
		`pawl_restore_progress{pipeline="fraud",task="fraud-0"} 0.25`,
		`pawl_watermark_seconds{pipeline="fraud",task="fraud-0"} 2.5`,
		`pawl_overlay_bytes{pipeline="fraud",task="fraud-0"} 10`,
		`pawl_cache_bytes{pipeline="fraud",task="fraud-0"} 20`,
		`pawl_buffered_bytes{pipeline="fraud",task="fraud-0"} 30`,
		`pawl_state_bytes{pipeline="fraud",task="fraud-0"} 40`,
		`pawl_hot_key_share{pipeline="fraud",task="fraud-0"} 0.4`,
		`pawl_task_epoch{pipeline="fraud",task="fraud-0"} 9`,
	)
	behind := time.Since(time.UnixMilli(2500)).Seconds()
	lag := value(t, got, `pawl_watermark_lag_seconds{pipeline="fraud",task="fraud-0"}`)
	if lag < behind-60 || lag > behind {
		t.Errorf("watermark lag %v s, want about %v", lag, behind)
	}
	for _, name := range []string{"go_goroutines ", "process_cpu_seconds_total "} {
		if !strings.Contains(got, "\n"+name) {
			t.Errorf("missing %s", name)
		}
	}
}

// TestSharedPartitionIsOneGauge has two tasks read one partition of a global topic.
func TestSharedPartitionIsOneGauge(t *testing.T) {
	task := func(name string, offset, end int64) processor.TaskStatus {
		return processor.TaskStatus{Name: name, State: "RUNNING", Inputs: []processor.InputStatus{
			{Topic: "rates", Partition: 2, Offset: offset, End: end, LSO: end}}}
	}
	m := New("fraud", func() processor.Status {
		return processor.Status{Tasks: []processor.TaskStatus{task("fraud-0", 9, 12),
			task("fraud-1", 5, 11)}}
	})
	wantLines(t, scrape(t, m),
		`pawl_consumer_lag{partition="2",pipeline="fraud",topic="rates"} 7`,
		`pawl_lso_lag{partition="2",pipeline="fraud",topic="rates"} 0`,
		`pawl_committed_offset{partition="2",pipeline="fraud",topic="rates"} 5`)
}

func TestTotals(t *testing.T) {
	m := New("fraud", idle)
	l := m.Listener()
	var a, b processor.TaskEpoch
	a.Records, a.Dead, a.Latencies[2] = 98, 1, 98
	b.Records, b.Late, b.Latencies[9], b.Latencies[23] = 2, 1, 1, 1
	l.EpochCommitted(processor.EpochInfo{Records: 100, Duration: 4 * time.Millisecond,
		PerTask: []processor.TaskEpoch{a, b}})
	l.EpochAborted(processor.AbortInfo{Unconfirmed: true})
	got := m.Totals()
	if got.Records != 100 || got.DeadLettered != 1 || got.Late != 1 || got.EpochsCommitted != 1 ||
		got.EpochsAborted != 1 || got.Unconfirmed != 1 || got.CommitMillis != 4 {
		t.Errorf("totals %+v", got)
	}
	for q, want := range map[float64]float64{0: 4, 0.5: 4, 0.97: 4, 0.99: 512, 1: 1 << 23} {
		if ms := got.Quantile(q); ms != want {
			t.Errorf("quantile %v is %v ms; want %v", q, ms, want)
		}
	}
	if ms := (Totals{}).Quantile(0.5); ms != 0 {
		t.Errorf("quantile of nothing is %v", ms)
	}
}
