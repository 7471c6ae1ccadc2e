package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pawl/checkpoint"
	"pawl/statestore"
)

const (
	keyOne = "base64key://AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	keyTwo = "base64key://AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
)

// TestCheckpointKeys runs the commands on encrypted checkpoints: with the key from each source as
// on plain ones; without it list, show and prune work, verify and restore name the setting, and
// nothing is deleted.
func TestCheckpointKeys(t *testing.T) {
	root := t.TempDir()
	storeCheckpoints(t, checkpoint.Config{URL: "file://" + root, Keys: keyOne}, "shop/fraud-0")
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(keyTwo+"\n"+keyOne+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(environ []string, args ...string) (int, string) {
		code, stdout, stderr := pawl(environ, append(append([]string{"checkpoint"}, args...),
			"--url=file://"+root)...)
		if said := stdout + stderr; strings.Contains(said, keyOne[12:30]) ||
			strings.Contains(said, keyTwo[12:30]) {
			t.Errorf("%v shows a key: %s", args, said)
		}
		return code, stdout + stderr
	}
	dir := t.TempDir()
	before := objectsIn(t, root)
	for _, c := range []struct {
		args, environ string
		code          int
		said          string
	}{
		{"list", "", 0, "complete"},
		{"show fraud-0", "", 0, "encrypted, key base64key:"},
		{"verify --discard", "", 1, "checkpoint.encryption.key is not set; set it"},
		{"verify --discard --set checkpoint.encryption.key=" + keyTwo, "", 1,
			"unwraps its data key"},
		{"restore fraud-0 --to " + dir + "/a", "", 1, "checkpoint.encryption.key is not set"},
		{"restore fraud-0 20 --to " + dir + "/a", "", 1, "checkpoint.encryption.key is not set"},
		{"prune --keep 1", "", 0, "1 kept"},
		{"list --set checkpoint.encryption.key=base64key://AQE=", "", 2,
			"checkpoint.encryption.key=****** (from flag --set): names, as URL 1, a key that"},
		{"list --set checkpoint.encryption.location=" + dir + "/none", "", 2,
			"checkpoint.encryption.location=" + dir + "/none (from flag --set): no such file"},
		{"verify --discard --set checkpoint.encryption.location=" + file, "", 0, "0 damaged"},
		{"restore fraud-0 --to " + dir + "/b", keyOne, 0, "epoch 30"},
	} {
		var environ []string
		if c.environ != "" {
			environ = []string{"PAWL_CHECKPOINT_ENCRYPTION_KEY=" + c.environ}
		}
		code, said := run(environ, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(said, c.said) {
			t.Errorf("checkpoint %s: exit %d, want %d\n%s\nwant %s", c.args, code, c.code, said,
				c.said)
		}
	}
	if after := objectsIn(t, root); after != before {
		t.Errorf("%d objects, there were %d", after, before)
	}
	env := statestore.NewEnv(nil, 1<<20, func(err error) { t.Error(err) })
	defer env.Close()
	if snap, err := env.Snapshot(dir + "/b"); err != nil || snap.Mark.Offset != 60 {
		t.Errorf("restored store stands at %d, %v", snap.Mark.Offset, err)
	}
}

// TestCheckpointVerifyJSON names what could not be verified.
func TestCheckpointVerifyJSON(t *testing.T) {
	root := t.TempDir()
	storeCheckpoints(t, checkpoint.Config{URL: "file://" + root, Keys: keyOne}, "shop/fraud-0")
	report := answer[verifyReport](t, 1, "checkpoint", "verify", "--url=file://"+root)
	if len(report.Locked) != 3 || len(report.Damaged) != 0 || report.Checkpoints != 3 ||
		!strings.Contains(report.Locked[0].Reason, "is not set") {
		t.Errorf("%+v", report)
	}
}

// objectsIn counts the objects in a folder.
func objectsIn(t *testing.T, root string) int {
	t.Helper()
	found, err := filepath.Glob(root + "/objects/*/*/*")
	if err != nil || len(found) == 0 {
		t.Fatalf("%d objects, %v", len(found), err)
	}
	return len(found)
}
