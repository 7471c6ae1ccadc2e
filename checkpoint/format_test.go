package checkpoint

import (
	"os"
	"strings"
	"testing"
	"time"

	"pawl/schemas/record"
	"pawl/statestore"
)

// exampleManifest is the one that FORMAT.md shows.
func exampleManifest(t *testing.T) *Manifest {
	t.Helper()
	snap := statestore.Snapshot{
		Mark: statestore.Mark{Offset: 98117, Time: 1767323044005,
			Topic: [16]byte{0xa1, 0xb2, 0xc3, 0xd4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
		Schemas: []statestore.Schema{{ID: 12, Table: "fraud-limits", Text: `"string"`}}}
	d := Describe(Origin{Application: "shop", Pipeline: "fraud", Task: "fraud-3", Partition: 3,
		Changelog: "shop-fraud-changelog", Version: "v0.3.0",
		PositionSchema: Schema{ID: 2, Text: `{"type":"record","name":"Position"}`}}, snap,
		record.Position{Epoch: 4711, Claim: 90210, Writer: "shop-a", Partitions: 4,
			Watermark: 1767323043000, Ticks: 2, Bootstrapped: true, Digest: -81985529216486896,
			Inputs: []record.Input{{Topic: "transactions",
				TopicID: "AAAAAAAAAAAAAAAAAAAAAQ==", Partition: 3, Offset: 500123,
				Processed: 500100, Late: 20, Dead: 3, Passed: -1}}})
	d.Created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	id, err := d.id()
	if err != nil {
		t.Fatal(err)
	}
	sum := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	return &Manifest{ID: id, Description: d, GraceSeconds: 21600, Files: []File{
		{Name: "000031.sst", Size: 1048576, Object: strings.Repeat("5a", 32) +
			"-00c0ffee00c0ffee", SHA256: strings.Repeat("5a", 32)},
		{Name: "marker.manifest.000001.MANIFEST-000030", SHA256: sum,
			Object: sum + "-0123456789abcdef"}}}
}

// TestFormatShowsAManifest compares the example of FORMAT.md with what is written, byte by byte.
func TestFormatShowsAManifest(t *testing.T) {
	b, err := exampleManifest(t).encode("")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "```json\n"+string(b)+"```\n") {
		t.Errorf("FORMAT.md does not show\n%s", b)
	}
}
