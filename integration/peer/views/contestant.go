//go:build unix

package views

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"pawl/integration/harness/servers"
	"pawl/internal/verify"
)

// Names of the contestants.
const (
	streamsName = "streams"
	windowsName = "streams-windows"
	pawlName    = "pawl"
)

// contestant is a program that runs a pipeline.
type contestant struct {
	name    string
	title   string
	path    string
	version string
	// some, when it is set, tells which pipelines the contestant has.
	some func(v *view) bool
	// ready makes what the program needs on the broker, and gives its arguments.
	ready func(ctx context.Context, a *arena, j job) ([]string, error)
	judge func(ctx context.Context, a *arena, j job) (*Verdict, error)
}

// job is one turn of a contestant.
type job struct {
	application string // group, and prefix of internal topics
	dir         string // for its state
}

// contestants finds or makes all programs.
func (f *field) contestants(ctx context.Context) ([]contestant, error) {
	peers, err := f.prepareStreams(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare Kafka Streams: %w", err)
	}
	pawl, err := f.preparePawl(ctx)
	if err != nil {
		return nil, err
	}
	return append(peers, pawl), nil
}

// preparePawl takes the program that was built.
func (f *field) preparePawl(ctx context.Context) (contestant, error) {
	path, err := filepath.Abs(f.options.Pawl)
	if err != nil {
		return contestant{}, fmt.Errorf("find pawl: %w", err)
	}
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return contestant{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	ready := func(_ context.Context, a *arena, j job) ([]string, error) {
		args := []string{"run", a.name, "--kafka", a.brokers, "--registry", a.url}
		for _, set := range []string{"application.id=" + j.application, "topic.prefix=" + a.prefix,
			"state.dir=" + j.dir, "http.listen=off", "commit.interval=" + a.options.Commit.String(),
			"idle.timeout=off"} {
			args = append(args, "--set", set)
		}
		return args, nil
	}
	return contestant{name: pawlName, title: "Pawl", path: path, ready: ready, judge: judgePawl,
		version: strings.Join(strings.Fields(string(out)), " ")}, nil
}

// judgePawl compares the outputs as it does those of others, and then all else that Pawl left: its
// state, its ledger, the order of its outputs, what it did with records that are late or broken.
func judgePawl(ctx context.Context, a *arena, j job) (*Verdict, error) {
	v, err := a.judge(ctx, a.prefix)
	if err != nil {
		return nil, err
	}
	source, err := a.source(j.application)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	whole, err := verify.Check(ctx, verify.Options{Spec: a.spec.WithPrefix(a.prefix),
		ApplicationID: j.application, Source: source, Registry: a.registry})
	if err != nil {
		return nil, err
	}
	v.Else = whole.StateDifferent + whole.LedgerDifferent
	if whole.Oracle != "match" && v.Right() {
		v.Else = max(1, whole.Missing+whole.Extra+whole.Different)
	}
	for _, e := range whole.Examples {
		v.Examples = append(v.Examples, e.String())
	}
	return v, nil
}

//go:embed streams/*.java
var streamsJava embed.FS

// prepareStreams compiles the programs for Kafka Streams: by hand, and with its own windows.
func (f *field) prepareStreams(ctx context.Context) ([]contestant, error) {
	library, err := servers.FindStreams()
	if err != nil {
		return nil, err
	}
	sources := filepath.Join(f.dir, "java")
	if err := os.CopyFS(sources, streamsJava); err != nil {
		return nil, fmt.Errorf("write the program: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(sources, "streams", "*.java"))
	if err != nil {
		return nil, err
	}
	classes := filepath.Join(f.dir, "classes")
	javac := exec.CommandContext(ctx, library.Javac, append([]string{"-Xlint:all", "-Werror",
		"-proc:none", "-cp", library.Classpath, "-d", classes}, files...)...)
	if out, err := javac.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%v: %w\n%s", javac, err, out)
	}
	java := []string{"-Xmx2g", "-XX:+UseParallelGC", "-XX:-UsePerfData",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
		"-cp", classes + ":" + library.Classpath, "Views"}
	peers := []contestant{{name: streamsName, title: "Kafka Streams"}, {name: windowsName,
		title: "Kafka Streams' own windows", some: func(v *view) bool { return v.own }}}
	for i := range peers {
		p := &peers[i]
		p.path, p.version = library.Java, streamsVersion(library)
		suffix := strings.TrimPrefix(p.name, streamsName)
		p.ready = func(ctx context.Context, a *arena, j job) ([]string, error) {
			places, err := a.places(ctx, a.outputPrefix(p.name))
			return append(append(slices.Clone(java), a.brokers, j.application, j.dir,
				strconv.FormatInt(a.options.Commit.Milliseconds(), 10), a.name+suffix),
				places...), err
		}
		p.judge = func(ctx context.Context, a *arena, _ job) (*Verdict, error) {
			return a.judge(ctx, a.outputPrefix(p.name))
		}
	}
	return peers, nil
}

// outputPrefix is that of the output topics of a contestant: Pawl's have the arena's own.
func (a *arena) outputPrefix(contestant string) string {
	if contestant == pawlName {
		return a.prefix
	}
	return a.prefix + contestant + "-"
}

// places makes the outputs, and says which topic is where with which schema.
func (a *arena) places(ctx context.Context, prefix string) (places []string, err error) {
	put := func(topic, name, schema string) {
		var id int32
		if err == nil {
			id, err = a.register(ctx, name, schema)
		}
		places = append(places, fmt.Sprintf("%s:%s:%d", topic, name, id))
	}
	for _, s := range a.load(&a.options, time.Time{}).Schemas() {
		for i, in := range a.inputs() {
			if s.Topic == in {
				put(in, a.topics[i], s.Text)
			}
		}
	}
	for _, out := range a.outputs {
		if err == nil {
			err = a.createTopics(ctx, prefix+out.topic)
		}
		put(out.topic, prefix+out.topic, out.schema)
	}
	return places, err
}

// streamsVersion reads the library's version from its file's name.
func streamsVersion(library servers.Streams) string {
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(library.Classpath), "kafka-streams-*.jar"))
	if len(found) != 1 {
		return "unknown"
	}
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), "kafka-streams-"), ".jar")
}
