//go:build unix

package servers

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// dirVariable names the environment variable that overrides where the servers are.
const dirVariable = "PAWL_SERVERS_DIR"

// pom pins the servers. Its checksum is the stamp that fetch.sh leaves beside what it fetched.
//
//go:embed pom.xml
var pom []byte

// Unavailable says that servers cannot be started on this machine as it is.
type Unavailable struct {
	What string // what is missing
	Mend string // what to do about it
}

// Error names what is missing and how to mend it.
func (u *Unavailable) Error() string { return u.What + ": " + u.Mend }

// install is where the servers and the Java that runs them are.
type install struct {
	java string // program
	dir  string // what fetch.sh filled
}

// findInstall finds Java and the fetched servers, or says what is [Unavailable].
func findInstall() (install, error) {
	java, err := findJava()
	if err != nil {
		return install{}, err
	}
	dir, err := findDir()
	if err != nil {
		return install{}, err
	}
	if err := stamped(dir, "stamp", "Kafka and Schema Registry", pom); err != nil {
		return install{}, err
	}
	return install{java: java, dir: dir}, nil
}

// stamped tells whether the stamp that fetch.sh left in dir is that of today's pom.
func stamped(dir, name, what string, pom []byte) error {
	stamp, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read stamp of the servers: %w", err)
	}
	sum := sha256.Sum256(pom)
	if want := hex.EncodeToString(sum[:]); strings.TrimSpace(string(stamp)) != want {
		return &Unavailable{
			What: dir + " lacks today's " + what,
			Mend: "run integration/harness/servers/fetch.sh (make servers)",
		}
	}
	return nil
}

// findJava prefers JAVA_HOME to the search path, as Java's own scripts do.
func findJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return filepath.Join(home, "bin", "java"), nil
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", &Unavailable{What: "no java found", Mend: "install Java 17 or newer"}
	}
	return java, nil
}

// findDir is PAWL_SERVERS_DIR, or .servers beside the nearest go.mod upwards.
func findDir() (string, error) {
	if dir := os.Getenv(dirVariable); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the servers: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return filepath.Join(at, ".servers"), nil
		}
		if at == filepath.Dir(at) {
			return "", &Unavailable{
				What: "no repository around " + dir,
				Mend: "set " + dirVariable + " to the folder that fetch.sh filled",
			}
		}
	}
}

// kafkaClasspath is Java's class path for Kafka and its tools.
func (in install) kafkaClasspath() string { return filepath.Join(in.dir, "kafka", "*") }

// registryJar is the registry's runnable archive.
func (in install) registryJar() (string, error) {
	pattern := filepath.Join(in.dir, "registry", "*-runner.jar")
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("find the registry: %d files match %s: remove %s and fetch again",
			len(found), pattern, in.dir)
	}
	return found[0], nil
}
