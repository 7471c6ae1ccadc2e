package replay

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pawl/pipelines/fraud"
	"pawl/processor"
)

// TestClean names topics and folder of a replay without touching them, then deletes them, then
// finds nothing.
func TestClean(t *testing.T) {
	r := newRig(t, func() *processor.Pipeline { return fraud.New(fraud.Config{}) },
		processor.Config{})
	r.stop(r.start(0))
	if gone, err := Clean(t.Context(), r.options("x", Point{}), false); err != nil ||
		len(gone) > 0 {
		t.Fatalf("deleted %v, %v of a replay that never was", gone, err)
	}
	topic := "fraud-decisions.replay-x"
	if _, err := r.adm.CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(r.config().StateDir, "rig.replay-x")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, true, false} {
		gone, err := Clean(t.Context(), r.options("x", Point{}), dry)
		if err != nil || !slices.Equal(gone, []string{topic, dir}) {
			t.Errorf("dry %v: %v, %v", dry, gone, err)
		}
	}
	if gone, err := Clean(t.Context(), r.options("x", Point{}), true); err != nil ||
		len(gone) > 0 {
		t.Errorf("left: %v, %v", gone, err)
	}
}
