//go:build unix

package speed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"pawl/integration/harness/process"
	"pawl/integration/harness/servers"
	"pawl/pipelines/fraud"
)

// contestant is a program that reads transactions and writes decisions.
type contestant struct {
	name        string
	title       string
	exactlyOnce bool
	copies      bool          // what it reads, unread; it decides nothing
	ownTimes    bool          // it cannot give its records the times of the events
	probe       time.Duration // not 0: Pawl with this commit interval, its speed alone
	prepare     func(context.Context, *field) (program, error)
}

// program is a contestant that can be started.
type program struct {
	path    string
	args    func(job) []string
	version string
}

// errAbsent is why a contestant cannot take part.
type errAbsent struct{ why string }

func (e *errAbsent) Error() string { return e.why }

// job is one turn of a contestant.
type job struct {
	Brokers     string
	Registry    string
	Application string // group, and prefix of internal topics
	Prefix      string // of the names of Pawl's topics
	Input       string
	Output      string
	Dir         string // for its state
	Commit      time.Duration
	Decision    int32 // schema id
}

// contestants are all, in the order of their turns.
func contestants() []*contestant {
	all := []*contestant{
		{name: "pawl", title: "Pawl, exactly once", exactlyOnce: true, prepare: preparePawl},
		{name: "streams", title: "Kafka Streams, exactly_once_v2", exactlyOnce: true,
			prepare: prepareStreams("exactly_once_v2")},
		{name: "streams-alo", title: "Kafka Streams, at least once",
			prepare: prepareStreams("at_least_once")},
		{name: "goka", title: "goka, at least once", ownTimes: true, prepare: prepareGoka},
		{name: "quix", title: "Quix Streams, exactly once", exactlyOnce: true,
			prepare: prepareQuix},
		{name: "copy", title: "franz-go transactional copy, no state, no Avro",
			exactlyOnce: true, copies: true, prepare: prepareCopy},
	}
	for _, commit := range []time.Duration{20 * time.Millisecond, 200 * time.Millisecond} {
		all = append(all, &contestant{name: fmt.Sprintf("pawl-%v", commit), probe: commit,
			title:       fmt.Sprintf("Pawl, commit interval %v", commit),
			exactlyOnce: true, prepare: preparePawl})
	}
	return all
}

// output is where a contestant writes.
func (c *contestant) output(prefix string) string {
	if c.isPawl() {
		return prefix + fraud.Decisions
	}
	return prefix + c.name + "-decisions"
}

func (c *contestant) isPawl() bool { return strings.HasPrefix(c.name, "pawl") }

// start starts the program for a turn with ids and a state folder of its own.
func (f *field) start(c *contestant, p program, j job) (*process.Process, error) {
	if err := os.MkdirAll(j.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", c.name, err)
	}
	return process.Start(process.Spec{Name: c.name, Path: p.path, Args: p.args(j),
		Log: j.Dir + ".log"})
}

// job is a turn's, on the input of a prefix.
func (f *field) job(c *contestant, run int, prefix string) job {
	application := fmt.Sprintf("peer-%s-%s%d", c.name, prefix, run)
	j := job{Brokers: f.kafka.Bootstrap(), Registry: f.apicurio.URL(), Application: application,
		Prefix: prefix, Input: prefix + fraud.Transactions, Output: c.output(prefix),
		Dir: filepath.Join(f.dir, application), Commit: f.options.Commit, Decision: f.decision}
	if c.probe != 0 {
		j.Commit = c.probe
	}
	return j
}

// preparePawl takes the program that was built.
func preparePawl(ctx context.Context, f *field) (program, error) {
	path, err := filepath.Abs(f.options.Pawl)
	if err != nil {
		return program{}, fmt.Errorf("find pawl: %w", err)
	}
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return program{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	return program{path: path, version: strings.Join(strings.Fields(string(out)), " "),
		args: func(j job) []string {
			args := []string{"run", fraud.Name, "--kafka", j.Brokers, "--registry", j.Registry}
			for _, set := range []string{"application.id=" + j.Application,
				"topic.prefix=" + j.Prefix, "state.dir=" + j.Dir, "http.listen=127.0.0.1:0",
				"commit.interval=" + j.Commit.String(),
				"fraud.max.count=" + strconv.Itoa(rules().MaxCount),
				"fraud.max.total.cents=" + strconv.FormatInt(rules().MaxTotalCents, 10)} {
				args = append(args, "--set", set)
			}
			return args
		}}, nil
}

// decider is the arguments that the peers' programs share: the rules are in them.
func (j job) decider() []string {
	r := rules()
	return []string{j.Brokers, j.Application, j.Dir, j.Input, j.Output,
		strconv.FormatInt(j.Commit.Milliseconds(), 10), strconv.Itoa(int(j.Decision)),
		strconv.FormatInt(r.Span.Milliseconds(), 10), strconv.FormatInt(r.Grace.Milliseconds(), 10),
		strconv.FormatInt(r.MaxOutOfOrderness.Milliseconds(), 10), strconv.Itoa(r.MaxCount),
		strconv.FormatInt(r.MaxTotalCents, 10)}
}

// entrant is a contestant whose program is there.
type entrant struct {
	*contestant
	program program
}

// entrants prepares those that were asked for. Whoever is absent is told, and left out.
func (f *field) entrants(ctx context.Context) (in []entrant, absent map[string]string, err error) {
	absent = map[string]string{}
	for _, c := range contestants() {
		if len(f.options.Only) > 0 && !slices.Contains(f.options.Only, c.name) {
			continue
		}
		p, err := c.prepare(ctx, f)
		var lacks *errAbsent
		var servers *servers.Unavailable
		if errors.As(err, &lacks) || errors.As(err, &servers) {
			f.told("%s is skipped: %v", c.name, err)
			absent[c.name] = err.Error()
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.name, err)
		}
		in = append(in, entrant{c, p})
	}
	if len(in) == 0 {
		return nil, nil, errors.New("nobody is there to run")
	}
	return in, absent, nil
}
