package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// broken is a value that a setting cannot have, by its kind; "" when any value will do.
func broken(t *testing.T, set Setting) string {
	switch k := set.kind.(type) {
	case truth:
		return "maybe"
	case choice, address, storage, keyURLs, hostPort, listen, number, decimal, duration, size:
		return "no such value"
	case list:
		return "localhost"
	case text:
		if k.secret {
			return ""
		}
		return "a\tb\x01c"
	}
	t.Fatalf("%s is of kind %T, which this test does not know", set.Name, set.kind)
	return ""
}

// faultsOf loads src over what every start needs and checks the result as `pawl run` does.
func faultsOf(src Sources) Faults {
	base := []string{"application.id=app", "bootstrap.servers=127.0.0.1:1", "state.dir=/tmp/x",
		"schema.registry.url=http://127.0.0.1:2"}
	for _, pair := range base {
		key, _, _ := strings.Cut(pair, "=")
		given := func(s string) bool { return strings.HasPrefix(s, key+"=") }
		if len(src.Sets) == 0 || !given(src.Sets[0]) {
			src.Flags = append(src.Flags, Flag{Name: "base", Key: key, Value: pair[len(key)+1:]})
		}
	}
	s, err := Load(src)
	var faults Faults
	errors.As(err, &faults)
	if s == nil {
		return faults
	}
	cfg, copies := s.Processor(), s.Checkpoint()
	fraud, activity, iot := s.Fraud(), s.Activity(), s.IoT()
	views, funnel := s.PageViews(), s.Funnel()
	for _, f := range s.Explain(errors.Join(cfg.Validate(), copies.Validate(),
		s.Security().Validate(), fraud.Validate(), activity.Validate(), iot.Validate(),
		views.Validate(), funnel.Validate())) {
		// A value that could not be read was replaced by its default, as `pawl run` knows.
		same := func(g *Fault) bool { return g.Key == f.Key }
		if f.Key == "" || !slices.ContainsFunc(faults, same) {
			faults = append(faults, f)
		}
	}
	return faults
}

// oneFault wants a single line that names key, value, source and mend.
func oneFault(t *testing.T, faults Faults, set Setting, value, source string) {
	t.Helper()
	shown := mask(set, value)
	if strings.ContainsAny(shown, "\t\x01") {
		shown = fmt.Sprintf("%q", shown)
	}
	head := fmt.Sprintf("%s=%s (from %s", set.Name, shown, source)
	if len(faults) != 1 {
		t.Errorf("%s from %s: %d faults:\n%v", set.Name, source, len(faults), faults)
		return
	}
	line := faults[0].Error()
	_, what, found := strings.Cut(line, "): ")
	_, mend, mended := strings.Cut(what, "; ")
	if !strings.HasPrefix(line, head) || strings.Contains(line, "\n") || !found || !mended ||
		len(mend) < 4 {
		t.Errorf("not \"%s…): what is wrong; mend\":\n%s", head, line)
	}
	if set.Secret && strings.Contains(line, value) {
		t.Errorf("a secret is shown: %s", line)
	}
}

// TestEveryBrokenValueGivesOneLine breaks each setting of the table in each source.
func TestEveryBrokenValueGivesOneLine(t *testing.T) {
	for _, set := range Table() {
		value := broken(t, set)
		if value == "" {
			twice := write(t, set.Name+": hunter2\n"+strings.ReplaceAll(set.Name, ".", ":\n ")+
				": hunter2\n")
			if strings.Count(set.Name, ".") > 1 {
				parts := strings.SplitN(set.Name, ".", 2)
				twice = write(t, set.Name+": hunter2\n"+parts[0]+":\n  "+parts[1]+": hunter2\n")
			}
			oneFault(t, faultsOf(Sources{File: twice}), set, "hunter2", "file "+twice+":3")
			continue
		}
		oneFault(t, faultsOf(Sources{Sets: []string{set.Name + "=" + value}}), set, value,
			"flag --set")
		if required(set.Name) {
			continue // flags of faultsOf win
		}
		oneFault(t, faultsOf(Sources{Environ: []string{envName(set.Name) + "=" + value}}), set,
			value, "environment "+envName(set.Name))
		file := write(t, fmt.Sprintf("# a comment\n%s: %q\n", set.Name, value))
		oneFault(t, faultsOf(Sources{File: file}), set, value, "file "+file+":2")
	}
}

func required(name string) bool {
	switch name {
	case "application.id", "bootstrap.servers", "state.dir", "schema.registry.url":
		return true
	}
	return false
}

// TestExtremesGiveWholeLines gives every number its extremes, which what lies behind the table may
// refuse: each line names a key, a source and a mend.
func TestExtremesGiveWholeLines(t *testing.T) {
	for _, set := range Table() {
		var values []string
		switch k := set.kind.(type) {
		case number:
			values = []string{fmt.Sprint(k.min), fmt.Sprint(k.max), "-9223372036854775808",
				"9223372036854775808"}
		case decimal:
			values = []string{fmt.Sprint(k.min), fmt.Sprint(k.max), "NaN", "-Inf", "1e999"}
		case duration:
			values = []string{"0s", "1ns", "-1s", "100000h"}
		case size:
			values = []string{"0", "1", "8191TiB", "9999999TiB"}
		}
		for _, v := range values {
			for _, f := range faultsOf(Sources{Sets: []string{set.Name + "=" + v}}) {
				if _, mend, ok := strings.Cut(f.What, "; "); !ok || mend == "" || f.Key == "" ||
					f.Source == "" || strings.Contains(f.Error(), "\n") {
					t.Errorf("%s=%s gives a line without key, source or mend:\n%v", set.Name, v, f)
				}
			}
		}
	}
}

// TestTuning follows what a client is told from its settings to the engine's configuration.
func TestTuning(t *testing.T) {
	s, err := Load(Sources{Sets: []string{"fetch.min.bytes=64KiB", "fetch.max.bytes=16MiB",
		"fetch.max.wait=250ms", "max.partition.fetch.bytes=2MiB", "client.rack=eu-1a",
		"compression.type=gzip", "deadletter.breaker.ratio=0", "deadletter.breaker.records=7"}})
	if err != nil {
		t.Fatal(err)
	}
	c := s.Processor()
	if c.Fetch.MinBytes != 64<<10 || c.Fetch.MaxBytes != 16<<20 || c.Rack != "eu-1a" ||
		c.Fetch.MaxWait != 250*time.Millisecond || c.Fetch.MaxPartitionBytes != 2<<20 ||
		c.Compression != "gzip" || c.DeadLetterRatio >= 0 || c.DeadLetterSpan != 7 {
		t.Errorf("the engine got %+v", c)
	}
}
