package replay

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pawl/checkpoint"
	"pawl/processor"
)

// TestBackToAnEncryptedCheckpoint takes a run back to an encrypted checkpoint, which without its
// key is refused with what is missing.
func TestBackToAnEncryptedCheckpoint(t *testing.T) {
	vault, err := checkpoint.OpenVault(t.Context(), "base64key://"+strings.Repeat("A", 43)+"=")
	if err != nil {
		t.Fatal(err)
	}
	l := loads()["fraud"]
	r := newRig(t, l.build, processor.Config{IdleTimeout: 200 * time.Millisecond})
	memory := checkpoint.NewMemory()
	r.store = checkpoint.Sealed(memory, vault)
	r.run(l.gen, 600, l.ticks)
	r.checkpoint()
	r.run(l.gen, 600, l.ticks)
	o := r.options("back", Point{Checkpoint: "latest"})
	o.Checkpoints = memory
	_, err = Back(t.Context(), o)
	if !errors.As(err, new(*checkpoint.KeyError)) ||
		!strings.Contains(err.Error(), "checkpoint.encryption.key is not set") {
		t.Errorf("without the key: %v", err)
	}
	r.back(t, Point{Checkpoint: "latest"}, 1)
	r.resume(1)
	r.audit()
}
