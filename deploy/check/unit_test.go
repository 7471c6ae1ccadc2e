package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const unitName = "pawl@.service"

// unit gives the values of a key of the systemd unit.
func unit(t *testing.T, key string) []string {
	t.Helper()
	var values []string
	for line := range strings.Lines(read(t, deploy, "systemd", unitName)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			values = append(values, value)
		}
	}
	if len(values) == 0 {
		t.Fatalf("%s has no %s", unitName, key)
	}
	return values
}

// TestUnitIsValid: systemd finds nothing to say about the unit, and little that is open in it.
func TestUnitIsValid(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), unitName)
	text := strings.Replace(read(t, deploy, "systemd", unitName), "/usr/local/bin/pawl", built, 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", file},
		{"security", "--offline=true", "--threshold=15", file}, // 1.5 of 10
	} {
		out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

// TestUnitSettings: pawl accepts the examples under the unit's variables, and is given the time to
// stop; a start that was refused is not tried again.
func TestUnitSettings(t *testing.T) {
	var env []string
	for _, pair := range unit(t, "Environment") {
		env = append(env, strings.NewReplacer("%S", "/var/lib", "%i", "fraud").Replace(pair))
	}
	// The variables that are commented out must be right too.
	pair := regexp.MustCompile(`(?m)^#?([A-Z][A-Z_]+=.*)$`)
	example := read(t, deploy, "systemd", "fraud.env.example")
	for _, m := range pair.FindAllStringSubmatch(example, -1) {
		env = append(env, m[1])
	}
	file := filepath.Join(t.TempDir(), "fraud.yaml")
	text := strings.ReplaceAll(read(t, deploy, "systemd", "fraud.yaml.example"), "\n#checkpoint",
		"\ncheckpoint")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := accepted(t, "fraud", file, env)
	if at := got["state.dir"].Value; at != "/var/lib/"+strings.Replace(
		unit(t, "StateDirectory")[0], "%i", "fraud", 1) {
		t.Errorf("state.dir is %s, which is not the unit's StateDirectory", at)
	}
	seconds, err := time.ParseDuration(unit(t, "TimeoutStopSec")[0] + "s")
	if err != nil || seconds <= got.longestStop(t) {
		t.Errorf("TimeoutStopSec is %v, a stop may take %v: %v", seconds, got.longestStop(t), err)
	}
	if unit(t, "RestartPreventExitStatus")[0] != "2" {
		t.Error("settings that were refused are tried again")
	}
}
