package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pawl/checkpoint"
	"pawl/integration/harness/process"
	"pawl/internal/recovery"
)

// The ways back.
const (
	rungLocal      = "local"
	rungCheckpoint = "checkpoint"
	rungChangelog  = "changelog"
)

// pawlContestant is an instance of this binary.
type pawlContestant struct {
	run      *recoveryRun
	override map[string]string
	copies   string // checkpoint.url
}

func newPawlContestant(b *recoveryRun) *pawlContestant {
	c := &pawlContestant{run: b, override: b.cluster.overrides(),
		copies: b.settings.Text("checkpoint.url")}
	for key, value := range map[string]string{
		"application.id": b.group,
		"instance.id":    "recovery-1",
		"topic.prefix":   b.group + "-",
		"state.dir":      filepath.Join(b.dir, "state-pawl"),
		"http.listen":    "off",
		"log.format":     "json",
		"log.level":      "info",
	} {
		c.override[key] = value
	}
	return c
}

func (c *pawlContestant) name() string    { return "pawl" }
func (c *pawlContestant) group() string   { return c.run.group }
func (c *pawlContestant) answers() string { return c.run.topic(recovery.Answers) }

// wipe leaves, of what there is beside the changelog, the rung's part alone.
func (c *pawlContestant) wipe(rung string) error {
	if rung == rungChangelog {
		c.override["checkpoint.url"] = "" // a start from nothing would take one
	}
	return os.RemoveAll(c.override["state.dir"])
}

func (c *pawlContestant) rungs() []string {
	if c.copies == "" {
		return []string{rungLocal, rungChangelog}
	}
	return []string{rungLocal, rungCheckpoint, rungChangelog}
}

func (c *pawlContestant) start() (*process.Process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program to start it again: %w", err)
	}
	file := filepath.Join(c.run.dir, "pawl.yaml")
	if err := c.run.settings.WriteFile(file, c.override); err != nil {
		return nil, err
	}
	args := []string{"bench", "recovery-instance", "--config", file}
	for _, key := range sortedKeys(c.override) {
		if c.run.settings.FromEnviron(key) { // the child would see the variable, over its file
			args = append(args, "--set", key+"="+c.override[key])
		}
	}
	return process.Start(process.Spec{Name: "pawl", Path: exe, Args: args,
		Log: c.run.logOf("pawl")})
}

// ready waits, for a start from checkpoints, until there is one of each task that holds the state.
func (c *pawlContestant) ready(ctx context.Context, rung string) (err error) {
	if rung != rungCheckpoint {
		return nil
	}
	target, err := checkpoint.Open(ctx, c.copies)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	since := time.Now()
	for {
		have, err := c.checkpoints(ctx, target, since)
		if err != nil {
			return err
		}
		if have == c.run.options.partitions {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d tasks have a new checkpoint in %s: %w", have,
				c.run.options.partitions, c.copies, context.Cause(ctx))
		case <-time.After(time.Second):
		}
	}
}

// checkpoints counts the tasks that have one of a state newer than since.
func (c *pawlContestant) checkpoints(ctx context.Context, target checkpoint.Target,
	since time.Time) (int, error) {
	have := 0
	for p := range c.run.options.partitions {
		series, err := checkpoint.NewSeries(target, c.group(),
			fmt.Sprintf("%s-%d", recovery.Name, p))
		if err != nil {
			return 0, err
		}
		newest, _, err := series.Latest(ctx, func(m *checkpoint.Manifest) error {
			if m.Created.Before(since) {
				return errors.New("too old")
			}
			return nil
		})
		if errors.Is(err, checkpoint.ErrNone) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if newest != nil {
			have++
		}
	}
	return have, nil
}

// read takes what the instance logged of its restores and of its start.
func (c *pawlContestant) read(log string, into *recoveryRung) error {
	for line := range strings.Lines(log) {
		var said struct {
			Msg     string `json:"msg"`
			Records int64  `json:"records"`
			Bytes   int64  `json:"bytes"`
		}
		if json.Unmarshal([]byte(line), &said) != nil {
			continue // a line of another kind
		}
		switch said.Msg {
		case "restored":
			into.Records += said.Records
			into.Bytes += said.Bytes
		case startedText:
			if err := into.steps(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// steps reads the durations of a line of the log, in seconds, in its order.
func (g *recoveryRung) steps(line string) error {
	g.Steps = map[string]float64{}
	dec := json.NewDecoder(strings.NewReader(line))
	if _, err := dec.Token(); err != nil { // the opening brace
		return fmt.Errorf("read %s: %w", line, err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("read %s: %w", line, err)
		}
		value, err := dec.Token()
		if err != nil {
			return fmt.Errorf("read %s: %w", line, err)
		}
		name, _ := key.(string)
		if took, ok := value.(float64); ok && name != "took" {
			g.order = append(g.order, name)
			g.Steps[name] = seconds(time.Duration(took * float64(time.Second)))
		}
	}
	return nil
}

// streamsContestant is Kafka Streams.
type streamsContestant struct{ recovery.Streams }

func newStreamsContestant(b *recoveryRun) (*streamsContestant, error) {
	if b.cluster.embedded != nil {
		return nil, usage("--streams needs a real Kafka; give --kafka and --registry")
	}
	cfg := b.settings.Processor()
	cfg.EnsureDefaults()
	c := &streamsContestant{recovery.Streams{
		Brokers:     strings.Join(b.cluster.brokers, ","),
		Application: b.group + "s-streams", StateDir: filepath.Join(b.dir, "state-streams"),
		Input: b.topic(recovery.Events), Output: b.group + "s-" + recovery.Answers,
		Commit: cfg.CommitInterval, SessionTimeout: cfg.SessionTimeout, Log: b.logOf("streams")}}
	return c, c.Compile(b.dir)
}

func (c *streamsContestant) name() string      { return "Kafka Streams" }
func (c *streamsContestant) group() string     { return c.Application }
func (c *streamsContestant) answers() string   { return c.Output }
func (c *streamsContestant) wipe(string) error { return os.RemoveAll(c.StateDir) }
func (c *streamsContestant) rungs() []string   { return []string{rungLocal, rungChangelog} }

func (c *streamsContestant) start() (*process.Process, error) { return c.Start() }

func (c *streamsContestant) ready(context.Context, string) error { return nil }

func (c *streamsContestant) read(log string, into *recoveryRung) error {
	into.Records, into.Bytes = recovery.ReadStreams(log)
	return nil
}
