package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	root   = "../.."
	deploy = ".."
)

// binary is pawl, built by the command that stands in the Dockerfile.
var binary = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile(filepath.Join(deploy, "Dockerfile"))
	if err != nil {
		return "", err
	}
	command := regexp.MustCompile(`(?m)^ +go build .* -o /out/pawl \./cmd/pawl$`).
		FindString(string(text))
	if command == "" {
		return "", errors.New("the Dockerfile has no go build … -o /out/pawl ./cmd/pawl")
	}
	command = strings.Replace(command, "/out/pawl", binaryFile(), 1)
	cmd := exec.Command("sh", "-ec", command)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.TrimSpace(command), err, out)
	}
	return binaryFile(), nil
})

// TestMain removes the binary at the end, if one was built. Helm tells of the chart's links each
// time.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	code := m.Run()
	_ = os.Remove(binaryFile())
	os.Exit(code)
}

func binaryFile() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("pawl-deploy-check-%d", os.Getpid()))
}

// pawl runs the command with this environment and no other.
func pawl(t *testing.T, env []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(built, args...)
	var out, errs strings.Builder
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = append([]string{}, env...), t.TempDir(), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// effective are the settings as pawl understood them, by name.
type effective map[string]setting

type setting struct{ Name, Value, Source string }

// duration is a setting's value.
func (e effective) duration(t *testing.T, name string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(e[name].Value)
	if err != nil {
		t.Fatalf("%s=%s: %v", name, e[name].Value, err)
	}
	return d
}

// longestStop is how long a tidy stop may take.
func (e effective) longestStop(t *testing.T) time.Duration {
	t.Helper()
	const checkpointOnStop = 30 * time.Second
	return e.duration(t, "transaction.timeout") + e.duration(t, "session.timeout") +
		checkpointOnStop
}

// accepted asks pawl what it makes of a file ("" for none) and an environment, and fails the test
// when it finds a fault.
func accepted(t *testing.T, pipeline, file string, env []string) effective {
	t.Helper()
	args := []string{"config", pipeline, "--json"}
	if file != "" {
		args = append(args, "--config", file)
	}
	out, errs, err := pawl(t, env, args...)
	if err != nil {
		t.Fatalf("pawl refuses the settings: %v\n%s", err, errs)
	}
	var report struct{ Settings []setting }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	found := effective{}
	for _, s := range report.Settings {
		found[s.Name] = s
	}
	return found
}

// read gives a file's text.
func read(t *testing.T, name ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(name...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
