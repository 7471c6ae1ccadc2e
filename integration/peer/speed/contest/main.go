//go:build unix

// Command contest lets Pawl and its peers make the same decisions from the same topic, on a broker
// of its own, and writes what each of them took: a table to standard output, all of it to a file as
// JSON. Whatever it started has ended when it ends. `make bench-peers` builds and runs it.
//
// Files: main.go (flags, signals).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"pawl/integration/peer/speed"
)

// copyRole is the first argument with which the contest starts itself as the raw copy.
const copyRole = "copy"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 3 && os.Args[1] == copyRole {
		os.Exit(code(speed.Copy(ctx, os.Args[2])))
	}
	os.Exit(code(run(ctx, os.Args[1:])))
}

// usageError is a fault of the command line.
type usageError struct{ error }

func code(err error) int {
	var usage usageError
	switch {
	case err == nil || errors.Is(err, pflag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	fmt.Fprintln(os.Stderr, "contest:", err)
	return 1
}

func run(ctx context.Context, args []string) error {
	o := speed.Defaults()
	flags := pflag.NewFlagSet("contest", pflag.ContinueOnError)
	flags.Int64Var(&o.Events, "events", o.Events, "events in the topic that everybody reads")
	flags.IntVar(&o.Users, "users", o.Users, "users among whom they are spread")
	flags.IntVar(&o.Partitions, "partitions", o.Partitions, "partitions of every topic")
	flags.IntVar(&o.Runs, "runs", o.Runs, "rounds; in each of them everybody has a turn")
	flags.StringSliceVar(&o.Only, "only", nil, "contestants: pawl,streams,streams-alo,goka,quix,"+
		"copy,pawl-20ms,pawl-200ms (default all)")
	flags.Float64Var(&o.Pace, "pace", o.Pace, "preloaded events per second of event time")
	rates := flags.String("rates", "20000,1000",
		"events per second at which latency is measured; none leaves it out")
	flags.DurationVar(&o.Paced, "paced", o.Paced,
		"how long each rate lasts; its first third does not count")
	flags.Int64Var(&o.Warm, "warm", o.Warm, "events that are processed before the paced ones")
	flags.DurationVar(&o.Commit, "commit-interval", o.Commit, "commit interval of everybody")
	flags.Uint64Var(&o.Seed, "seed", o.Seed, "seed of the load")
	flags.DurationVar(&o.Limit, "limit", o.Limit, "after which a turn is given up")
	flags.StringVar(&o.Dir, "dir", os.TempDir(), "where topics, state and logs go for as long as "+
		"the contest takes")
	flags.StringVar(&o.Pawl, "pawl", "bin/pawl", "the program")
	flags.StringArrayVar(&o.Streams, "streams-set", nil,
		"further setting of Kafka Streams as key=value; may be repeated")
	flags.StringVar(&o.Goka, "goka", "integration/peer/goka", "folder of goka's module")
	flags.StringVar(&o.Venv, "venv", "bin/quix", "folder of the Python that has Quix Streams; "+
		"made if it is missing")
	report := flags.String("report", "bin/peers.json", "file for the result as JSON")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return usageError{err}
	}
	var err error
	if o.Rates, err = numbers(*rates); err != nil {
		return usageError{err}
	}
	if err := o.Check(); err != nil {
		return usageError{err}
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program to start it again: %w", err)
	}
	o.Copy = []string{exe, copyRole}
	began := time.Now()
	o.Told = func(line string) {
		fmt.Fprintf(os.Stderr, "%6.1fs %s\n", time.Since(began).Seconds(), line)
	}
	result, err := speed.Run(ctx, o)
	if err != nil {
		return err
	}
	return conclude(result, *report, o.Rates)
}

// numbers reads a list.
func numbers(list string) (all []int, err error) {
	if list == "" || list == "none" {
		return nil, nil
	}
	for _, text := range strings.Split(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("--rates=%s: %q is no number; give some like 20000,1000, "+
				"or none", list, text)
		}
		all = append(all, n)
	}
	return all, nil
}

// conclude prints and writes the result; one that is not verified is a failure.
func conclude(result *speed.Report, path string, rates []int) error {
	text, err := json.MarshalIndent(result, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := result.WriteTable(os.Stdout, rates); err != nil {
		return err
	}
	if !result.Verified {
		return errors.New("not verified")
	}
	return nil
}
