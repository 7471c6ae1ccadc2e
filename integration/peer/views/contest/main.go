//go:build unix

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"pawl/integration/peer/views"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

const help = `Run activity, pageviews, iot and funnel in Pawl and in Kafka Streams, in turns on the same
preloaded input, and compare their processor time. All outputs are compared with the oracle.

It starts a Kafka and a registry of its own (make servers), or uses those of --kafka and --registry.
`

func run(ctx context.Context, args []string) int {
	o := views.Defaults()
	o.Told = func(line string) { fmt.Fprintln(os.Stderr, line) }
	flags := flag.NewFlagSet("contest", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), help+"\n")
		flags.PrintDefaults()
	}
	flags.Int64Var(&o.Events, "events", o.Events, "records in the main input of each pipeline")
	flags.IntVar(&o.Users, "users", o.Users, "users of activity and funnel")
	flags.IntVar(&o.Sensors, "sensors", o.Sensors, "sensors of iot")
	flags.IntVar(&o.Pages, "pages", o.Pages, "pages of pageviews")
	flags.Float64Var(&o.Pace, "pace", o.Pace, "records per second of event time: with --events "+
		"it says how many windows close")
	flags.IntVar(&o.Partitions, "partitions", o.Partitions, "partitions of every topic")
	flags.IntVar(&o.Runs, "runs", o.Runs, "rounds, in each of which both have a turn")
	only := flags.String("only", "", "pipelines, separated by commas; all without it")
	flags.DurationVar(&o.Commit, "commit-interval", o.Commit, "commit interval of both")
	flags.Uint64Var(&o.Seed, "seed", o.Seed, "seed of the input")
	flags.DurationVar(&o.Limit, "limit", o.Limit, "after how long a turn is given up")
	flags.StringVar(&o.Kafka, "kafka", "", "a broker to use, host:port; with --registry")
	flags.StringVar(&o.Registry, "registry", "", "the URL of its registry")
	flags.StringVar(&o.Dir, "dir", "", "folder for topics, state and logs; a temporary one")
	flags.StringVar(&o.Pawl, "pawl", o.Pawl, "the program pawl")
	report := flags.String("report", "", "write the result as JSON to this file")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	if err := o.Check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	r, err := views.Run(ctx, o)
	if err == nil {
		err = r.Print(os.Stdout)
	}
	if err == nil && *report != "" {
		err = write(*report, r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if !r.Verified {
		return 1
	}
	return 0
}

func write(path string, r *views.Report) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
