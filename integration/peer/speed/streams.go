//go:build unix

package speed

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"pawl/integration/harness/servers"
)

//go:embed Velocity.java
var streamsJava []byte

// prepareStreams compiles the program for Kafka Streams, once for both guarantees.
func prepareStreams(guarantee string) func(context.Context, *field) (program, error) {
	return func(ctx context.Context, f *field) (program, error) {
		library, err := servers.FindStreams()
		if err != nil {
			return program{}, err
		}
		classes := filepath.Join(f.dir, "classes")
		if _, err := os.Stat(classes); err != nil {
			source := filepath.Join(f.dir, "Velocity.java")
			if err := os.WriteFile(source, streamsJava, 0o644); err != nil {
				return program{}, fmt.Errorf("write the program for Kafka Streams: %w", err)
			}
			javac := exec.CommandContext(ctx, library.Javac, "-Xlint:all", "-Werror", "-proc:none",
				"-cp", library.Classpath, "-d", classes, source)
			if out, err := javac.CombinedOutput(); err != nil {
				return program{}, fmt.Errorf("%v: %w\n%s", javac, err, out)
			}
		}
		java := slices.Concat(f.options.jvm, []string{"-Xmx1g", "-XX:+UseParallelGC",
			"-XX:-UsePerfData", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
			classes + ":" + library.Classpath, "Velocity", guarantee})
		args := func(j job) []string { return slices.Concat(java, j.decider(), f.options.Streams) }
		return program{path: library.Java, version: streamsVersion(library), args: args}, nil
	}
}

// streamsVersion reads the library's version from its file's name.
func streamsVersion(library servers.Streams) string {
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(library.Classpath), "kafka-streams-*.jar"))
	if len(found) != 1 {
		return "unknown"
	}
	return "Kafka Streams " + strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]),
		"kafka-streams-"), ".jar")
}
