package processor_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"pawl/checkpoint"
	"pawl/processor"
)

// encrypted is a Target with the n-th keys.
func encrypted(t *testing.T, target checkpoint.Target, keys ...byte) checkpoint.Target {
	t.Helper()
	var urls []string
	for _, n := range keys {
		key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{n}, 32))
		urls = append(urls, "base64key://"+key)
	}
	vault, err := checkpoint.OpenVault(t.Context(), strings.Join(urls, " "))
	if err != nil {
		t.Fatal(err)
	}
	return checkpoint.Sealed(target, vault)
}

// TestRestoresWithoutTheKey loses the disk of an instance and its key: the next one says what is
// missing and reads the changelog, deletes nothing, and checkpoints with the key it has; with both
// keys a third one restores from there.
func TestRestoresWithoutTheKey(t *testing.T) {
	t.Parallel()
	memory := checkpoint.NewMemory()
	k := newKeeper(t, 1, encrypted(t, memory, 1))
	in := k.run("a")
	k.produce(200, 20)
	k.outputs(200)
	first := k.take(in, 1)[0].ID
	in.Crash()
	k.loseDisk("a")

	k.target = encrypted(t, memory, 2)
	in = k.run("a")
	if got := k.restored(1); got.Rung != processor.RungChangelog {
		t.Errorf("without the key it is restored from %s", got.Rung)
	}
	k.mu.Lock()
	told := slices.ContainsFunc(k.notices, func(s string) bool {
		return strings.Contains(s, "checkpoint.encryption.key") && strings.Contains(s, first)
	})
	k.mu.Unlock()
	if !told {
		t.Errorf("nobody was told: %q", k.notices)
	}
	k.produce(50, 5)
	k.outputs(250)
	second := k.take(in, 1)[0].ID
	in.Crash()
	k.loseDisk("a")

	k.target = encrypted(t, memory, 2, 1)
	in = k.run("a")
	if got := k.restored(2); got.Checkpoint != second {
		t.Errorf("restored %+v, want %s", got, second)
	}
	k.drained("in")
	k.ledger(0)
	list, err := k.series("counting-0").List(t.Context())
	if err != nil || len(list) != 2 || list[1].ID != first || list[1].Manifest.Locked() != nil {
		t.Errorf("left %+v, %v", list, err)
	}
	stop(t, in)
	k.sameState("a", 0)
}
