//go:build unix

package servers

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// streamsPOM pins Kafka Streams, as pom does the servers. Its checksum is a stamp of its own.
//
//go:embed streams.xml
var streamsPOM []byte

// Streams is what it takes to compile and run a program of Kafka Streams.
type Streams struct {
	Java      string // program
	Javac     string // compiler
	Classpath string // of the library and what it needs
}

// FindStreams finds a JDK and the fetched library, or says what is [Unavailable].
func FindStreams() (Streams, error) {
	java, err := findJava()
	if err != nil {
		return Streams{}, err
	}
	javac, err := findJavac(java)
	if err != nil {
		return Streams{}, err
	}
	dir, err := findDir()
	if err != nil {
		return Streams{}, err
	}
	if err := stamped(dir, "streams.stamp", "Kafka Streams", streamsPOM); err != nil {
		return Streams{}, err
	}
	return Streams{Java: java, Javac: javac, Classpath: filepath.Join(dir, "streams", "*")}, nil
}

// findJavac finds the compiler beside java, where JAVA_HOME has it, or in the search path. A JRE
// has none.
func findJavac(java string) (string, error) {
	javac := filepath.Join(filepath.Dir(java), "javac")
	_, err := os.Stat(javac)
	if errors.Is(err, os.ErrNotExist) {
		javac, err = exec.LookPath("javac")
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", &Unavailable{What: "no javac found", Mend: "install a JDK, 17 or newer"}
	}
	if err != nil {
		return "", fmt.Errorf("find javac: %w", err)
	}
	return javac, nil
}
