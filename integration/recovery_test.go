//go:build unix

package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pawl/integration/harness"
)

// TestRecoveryBesideKafkaStreams runs the measurement of recoveries on real servers: it proves that
// the measurement works and that both programs answer every event once, with the same counts. Its
// times are of a small state on a busy machine and prove nothing.
func TestRecoveryBesideKafkaStreams(t *testing.T) {
	harness.Streams(t)
	kafka, registry := shared.Kafka(t), shared.Registry(t)
	report := filepath.Join(t.TempDir(), "recovery.json")
	proc := harness.Start(t, shared.Pawl(t), harness.ProcOptions{Name: "pawl bench recovery",
		Args: []string{"bench", "recovery", "--keys", "50000", "--streams", "--report", report,
			"--kafka", kafka.Bootstrap(), "--registry", registry.URL(),
			"--set", "memory.max=256MiB"}})
	if code := proc.Wait(8 * time.Minute); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var got struct {
		Verified bool
		Rungs    []struct {
			System, Rung string
			First        float64 `json:"first_output_seconds"`
			Records      int64   `json:"restored_records"`
		}
	}
	text, err := os.ReadFile(report)
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !got.Verified || len(got.Rungs) != 4 {
		t.Fatalf("report %s", text)
	}
	for i, want := range []string{"pawl local", "pawl changelog", "Kafka Streams local",
		"Kafka Streams changelog"} {
		r := got.Rungs[i]
		if r.System+" "+r.Rung != want || r.First <= 0 {
			t.Errorf("rung %d is %+v; want %s", i, r, want)
		}
		if i != 0 && r.Records < 50_000 {
			t.Errorf("%s read %d records of 50,000 and more", want, r.Records)
		}
		t.Logf("%s: first output after %.2f s, %d records read", want, r.First, r.Records)
	}
}
