package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write puts a YAML file into a folder of the test and gives its path.
func write(t *testing.T, yaml string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pawl.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	file := write(t, "commit.interval: 1s\nfraud:\n  span: 2m\n  grace: 1s\nmemory.max: 1GiB\n")
	s, err := Load(Sources{
		File:    file,
		Environ: []string{"PAWL_FRAUD_SPAN=3m", "PAWL_FRAUD_GRACE=2s", "HOME=/x"},
		Sets:    []string{"fraud.grace=3s", "fraud.max.count=6", "fraud.max.count=7"},
		Flags:   []Flag{{Name: "kafka", Key: "bootstrap.servers", Value: "a:1, b:2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][2]string{
		"session.timeout":   {"10s", "default"},
		"commit.interval":   {"1s", "file " + file + ":1"},
		"memory.max":        {"1GiB", "file " + file + ":5"},
		"fraud.span":        {"3m", "environment PAWL_FRAUD_SPAN"},
		"fraud.grace":       {"3s", "flag --set"},
		"fraud.max.count":   {"7", "flag --set"},
		"bootstrap.servers": {"a:1, b:2", "flag --kafka"},
	}
	for _, e := range s.Effective() {
		if w, ok := want[e.Name]; ok && w != [2]string{e.Value, e.Source} {
			t.Errorf("%s is %q from %q; want %q from %q", e.Name, e.Value, e.Source, w[0], w[1])
		}
	}
	cfg := s.Processor()
	if cfg.CommitInterval != time.Second || cfg.MemoryMax != 1<<30 || len(cfg.Brokers) != 2 ||
		cfg.Brokers[1] != "b:2" {
		t.Errorf("engine got %v, %d, %q", cfg.CommitInterval, cfg.MemoryMax, cfg.Brokers)
	}
	f := s.Fraud()
	if f.Span != 3*time.Minute || f.Grace != 3*time.Second || f.MaxCount != 7 || f.NoDecisions {
		t.Errorf("fraud got %+v", f)
	}
}

// TestFaultLines gives one bad value at a time; each must give exactly its line.
func TestFaultLines(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"comit.interval=1s", "comit.interval=1s (from flag --set): no such setting; " +
			"the nearest is commit.interval"},
		{"fraud.maxcount=3", "fraud.maxcount=3 (from flag --set): no such setting; " +
			"the nearest is fraud.max.count"},
		{"commit.interval=100", "commit.interval=100 (from flag --set): is not a duration; " +
			"write a number with a unit, such as 250ms, 10s or 5m"},
		{"commit.interval=0s", "commit.interval=0s (from flag --set): is zero; " +
			"give a time of at least 1ms"},
		{"fraud.grace=-1s", "fraud.grace=-1s (from flag --set): is negative; give 0s or more"},
		{"commit.interval.ms=x", "commit.interval.ms=x (from flag --set): is not a number of " +
			"milliseconds; write commit.interval: 100ms"},
		{"fraud.max.count.ms=1", "fraud.max.count.ms=1 (from flag --set): no such setting; " +
			"the nearest is fraud.max.count"},
		{"memory.max=64Mb", "memory.max=64Mb (from flag --set): is not a size; " +
			"write bytes or a unit, such as 67108864, 64MiB or 1GiB"},
		{"memory.max=9000000TiB", "memory.max=9000000TiB (from flag --set): is too large; " +
			"give less than 8388608TiB"},
		{"topics.create=yes", "topics.create=yes (from flag --set): is not a truth value; " +
			"write true or false"},
		{"fraud.max.count=0", "fraud.max.count=0 (from flag --set): is out of range; " +
			"give 1 to 2147483647"},
		{"replication.factor=0", "replication.factor=0 (from flag --set): is out of range; " +
			"give -1, or 1 to 32767"},
		{"fraud.max.count=many", "fraud.max.count=many (from flag --set): is not a whole number; " +
			"write for example 1"},
		{"log.format=xml", "log.format=xml (from flag --set): is unknown; use text, json"},
		{"http.listen=8080", "http.listen=8080 (from flag --set): is not host:port; " +
			"write for example 127.0.0.1:8080, or off"},
		{"schema.registry.url=localhost:8081", "schema.registry.url=localhost:8081 " +
			"(from flag --set): is not an http or https URL; write for example " +
			"http://127.0.0.1:8081"},
		{"commit.interval", "commit.interval= (from flag --set): has no value; " +
			"write --set key=value"},
		{"schema.registry.pasword=hunter2", "schema.registry.pasword=****** (from flag --set): " +
			"no such setting; the nearest is schema.registry.password"},
		{"schema.registry.url=ftp://u:hunter2@h", "schema.registry.url=ftp://u:xxxxx@h " +
			"(from flag --set): is not an http or https URL; write for example " +
			"http://127.0.0.1:8081"},
	} {
		_, err := Load(Sources{Sets: []string{c.set}})
		if err == nil || err.Error() != c.want {
			t.Errorf("--set %s gives\n  %v\nwant\n  %s", c.set, err, c.want)
		}
	}
}

// TestAllFaultsTogether has faults in every source and in what only the engine can judge.
func TestAllFaultsTogether(t *testing.T) {
	file := write(t, "application.id: a b\nbootstrap.servers: [localhost, 'h:9092']\n"+
		"fraud.span: 1ns\nstat.dir: /x\ncommit: {interval: 5m}\ncommit.interval: 1s\n")
	s, err := Load(Sources{File: file, Environ: []string{"PAWL_FRAUD_SPN=1", "PAWL_KILL_AT=x"},
		Sets: []string{"memory.max=1MiB", "fraud.max.count=-1"}})
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("Load gives %v", err)
	}
	cfg, f := s.Processor(), s.Fraud()
	faults = append(faults, s.Explain(errors.Join(cfg.Validate(), f.Validate()))...)
	got := faults.Error()
	for _, want := range []string{
		"stat.dir=/x (from file " + file + ":4): no such setting; the nearest is state.dir",
		"commit.interval=1s (from file " + file + ":6): is given twice, also file " + file +
			":5; keep one",
		"PAWL_FRAUD_SPN=1 (from environment): no such setting; the nearest is PAWL_FRAUD_SPAN",
		"fraud.max.count=-1 (from flag --set): is out of range",
		"application.id=a b (from file " + file + ":1): has \" \"",
		"bootstrap.servers=localhost (from file " + file + ":2): not host:port",
		"schema.registry.url= (from default): no schema registry",
		"state.dir= (from default): no state directory",
		"memory.max=1MiB (from flag --set): below 33554432 bytes",
		"fraud.span=1ns (from file " + file + ":3): out of range",
		"commit.interval=5m (from file " + file + ":5): must lie between",
	} {
		if strings.Count("\n"+got, "\n"+want) != 1 {
			t.Errorf("not exactly once: %s", want)
		}
	}
	if strings.Contains(got, "KILL_AT") || t.Failed() {
		t.Errorf("all lines:\n%s", got)
	}
}

func TestMilliseconds(t *testing.T) {
	s, err := Load(Sources{File: write(t, "commit.interval.ms: 250\n"),
		Environ: []string{"PAWL_SESSION_TIMEOUT_MS=9000"}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Duration("commit.interval") != 250*time.Millisecond ||
		s.Duration("session.timeout") != 9*time.Second {
		t.Errorf("got %v and %v", s.Duration("commit.interval"), s.Duration("session.timeout"))
	}
	if n := s.Notices(); len(n) != 2 || !strings.Contains(n[0], "read as commit.interval=250ms") {
		t.Errorf("notices %q", n)
	}
}

func TestExplicitZero(t *testing.T) {
	s, err := Load(Sources{Sets: []string{"fraud.grace=0s", "max.out.of.orderness=0s",
		"max.future.skew=0s", "startup.timeout=0s"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg, f := s.Processor(), s.Fraud()
	cfg.EnsureDefaults() // as Start and New do once more
	f.EnsureDefaults()
	if f.Grace >= time.Millisecond || cfg.MaxOutOfOrderness >= time.Millisecond ||
		f.MaxOutOfOrderness >= time.Millisecond ||
		cfg.MaxFutureSkew > time.Microsecond || cfg.StartupTimeout > time.Microsecond {
		t.Errorf("a zero became a default: %v %v %v %v %v", f.Grace, cfg.MaxOutOfOrderness,
			f.MaxOutOfOrderness, cfg.MaxFutureSkew, cfg.StartupTimeout)
	}
}

// TestDefaultsAgree compares the table with the defaults that the packages document themselves.
func TestDefaultsAgree(t *testing.T) {
	s, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	got := s.Processor()
	want := got
	want.CommitInterval, want.SessionTimeout, want.TransactionTimeout = 0, 0, 0
	want.StartupTimeout, want.MaxOutOfOrderness, want.MaxFutureSkew = 0, 0, 0
	want.ReplicationFactor, want.Compression = 0, ""
	want.EnsureDefaults()
	if got.CommitInterval != want.CommitInterval || got.SessionTimeout != want.SessionTimeout ||
		got.TransactionTimeout != want.TransactionTimeout ||
		got.StartupTimeout != want.StartupTimeout ||
		got.MaxOutOfOrderness != want.MaxOutOfOrderness ||
		got.MaxFutureSkew != want.MaxFutureSkew ||
		got.ReplicationFactor != want.ReplicationFactor || got.Compression != want.Compression {
		t.Errorf("table and processor disagree")
	}
	f := s.Fraud()
	g := f
	g.Span, g.Grace, g.MaxCount, g.MaxTotalCents, g.AmountMaxCents = 0, 0, 0, 0, 0
	g.EnsureDefaults()
	if f != g {
		t.Errorf("table gives %+v, fraud's own defaults are %+v", f, g)
	}
}

// TestTable holds what the rest of the package relies on.
func TestTable(t *testing.T) {
	envs := map[string]string{}
	for _, a := range Table() {
		if a.Doc == "" || a.kind == nil {
			t.Errorf("%s has no doc or kind", a.Name)
		}
		if err := a.kind.check(a.Default); err != nil && a.Default != "" {
			t.Errorf("default of %s %v", a.Name, err)
		}
		if other, taken := envs[envName(a.Name)]; taken {
			t.Errorf("%s and %s share %s", a.Name, other, envName(a.Name))
		}
		envs[envName(a.Name)] = a.Name
		for _, b := range Table() {
			if strings.HasPrefix(b.Name, a.Name+".") {
				t.Errorf("%s is a prefix of %s, so nested maps cannot hold both", a.Name, b.Name)
			}
		}
	}
}

func TestSecretsAreMasked(t *testing.T) {
	_, err := Load(Sources{Sets: []string{"sasl.pasword=hunter2", "sasl.mechanism=hunter3",
		"sasl.secret.location="}})
	if err == nil || strings.Contains(err.Error(), "hunter2") ||
		!strings.Contains(err.Error(), "hunter3") {
		t.Errorf("a misspelt secret and a wrong name: %v", err)
	}
	s, err := Load(Sources{Sets: []string{"schema.registry.password=hunter2",
		"schema.registry.url=http://u:hunter2@h:1/path"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Effective() {
		if strings.Contains(e.Value, "hunter2") {
			t.Errorf("%s shows its secret: %s", e.Name, e.Value)
		}
	}
	if r := s.Registry(); r.URL != "http://h:1/path" || r.User != "u" || r.Password != "hunter2" {
		t.Errorf("the registry client got %+v", r)
	}
}

// TestWriteFile reads back what was written, strange characters included.
func TestWriteFile(t *testing.T) {
	secret := "a\"b\\c\n: #${HOME}é"
	s, err := Load(Sources{Sets: []string{"schema.registry.password=" + secret, "fraud.span=2m"},
		Environ: []string{"PAWL_STATE_DIR=/env"}})
	if err != nil {
		t.Fatal(err)
	}
	if !s.FromEnviron("state.dir") || s.FromEnviron("fraud.span") {
		t.Error("FromEnviron is wrong")
	}
	path := filepath.Join(t.TempDir(), "out.yaml")
	if err := s.WriteFile(path, map[string]string{"state.dir": "/child"}); err != nil {
		t.Fatal(err)
	}
	back, err := Load(Sources{File: path})
	if err != nil {
		t.Fatal(err)
	}
	if got := back.Text("schema.registry.password"); got != secret {
		t.Errorf("password came back as %q", got)
	}
	if back.Text("state.dir") != "/child" || back.Duration("fraud.span") != 2*time.Minute {
		t.Errorf("got %s, %s", back.Text("state.dir"), back.Text("fraud.span"))
	}
	raw, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(raw), "fraud.grace") {
		t.Errorf("defaults were written too: %v\n%s", err, raw)
	}
}
