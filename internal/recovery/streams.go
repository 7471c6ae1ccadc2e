//go:build unix

package recovery

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"pawl/integration/harness/process"
	"pawl/integration/harness/servers"
)

//go:embed Streams.java
var streamsJava []byte

// streamsThreads is as many as the machine of the measurements has processors.
const streamsThreads = 2

// Streams is the same program for Kafka Streams under exactly_once_v2: RocksDB, static membership,
// large fetches to restore.
type Streams struct {
	Brokers        string
	Application    string
	StateDir       string
	Input, Output  string
	Commit         time.Duration
	SessionTimeout time.Duration
	Log            string

	library servers.Streams
	classes string
}

// Compile finds the library and compiles the program into dir.
func (s *Streams) Compile(dir string) error {
	var err error
	if s.library, err = servers.FindStreams(); err != nil {
		return err
	}
	source := filepath.Join(dir, "Streams.java")
	s.classes = filepath.Join(dir, "classes")
	if err := os.WriteFile(source, streamsJava, 0o644); err != nil {
		return fmt.Errorf("write the program for Kafka Streams: %w", err)
	}
	javac := exec.Command(s.library.Javac, "-Xlint:all", "-Werror", "-proc:none", "-cp",
		s.library.Classpath, "-d", s.classes, source)
	if out, err := javac.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", javac, err, out)
	}
	return nil
}

// Start starts the compiled program.
func (s *Streams) Start() (*process.Process, error) {
	return process.Start(process.Spec{Name: "Kafka Streams", Path: s.library.Java, Log: s.Log,
		Args: []string{"-Xmx2g", "-XX:-UsePerfData",
			"-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
			s.classes + ":" + s.library.Classpath, "Streams", s.Brokers, s.Application, s.StateDir,
			s.Input, s.Output, fmt.Sprint(streamsThreads), fmt.Sprint(s.Commit.Milliseconds()),
			fmt.Sprint(s.SessionTimeout.Milliseconds())}})
}

// ReadStreams sums up what the program said it restored.
func ReadStreams(log string) (records, bytes int64) {
	for line := range strings.Lines(log) {
		var n int64
		var rest string
		if _, err := fmt.Sscanf(line, "restored %d of %s", &n, &rest); err == nil {
			records += n
		}
		if _, err := fmt.Sscanf(line, "state %s bytes %d", &rest, &n); err == nil {
			bytes = max(bytes, n)
		}
	}
	return records, bytes
}
