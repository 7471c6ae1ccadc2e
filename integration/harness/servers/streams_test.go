//go:build unix

package servers

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func TestMissingStreamsAreUnavailable(t *testing.T) {
	t.Setenv(dirVariable, t.TempDir())
	var missing *Unavailable
	if _, err := FindStreams(); !errors.As(err, &missing) {
		t.Errorf("FindStreams without the library = %v, want Unavailable", err)
	} else if !strings.Contains(err.Error(), "java") && !strings.Contains(err.Error(), "fetch.sh") {
		t.Errorf("error %q doesn't tell how to mend it", err)
	}
}

// TestStreamsAreOfTheBrokersVersion: one Kafka is compared with, not two.
func TestStreamsAreOfTheBrokersVersion(t *testing.T) {
	version := func(pom []byte) string {
		m := regexp.MustCompile(`org\.apache\.kafka</groupId>\s*<artifactId>[^<]*</artifactId>\s*` +
			`<version>([^<]*)<`).FindSubmatch(pom)
		if m == nil {
			t.Fatalf("no version of Kafka in %s", pom)
		}
		return string(m[1])
	}
	if broker, library := version(pom), version(streamsPOM); broker != library {
		t.Errorf("Kafka is %s, Kafka Streams %s", broker, library)
	}
}
