package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// demoOptions are the flags of `pawl demo`.
type demoOptions struct {
	flags      sourceFlags
	rate       int
	instances  int
	partitions int
	crashEvery time.Duration
	duration   time.Duration
	pipelines  []string
	seed       uint64
	http       string
	dir        string
	report     string
	clean      bool // no flag: no broken and no late records
	users      int  // no flag: 0 for the generators' own number
}

func (a *app) demo() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the pipelines, crash them again and again, and prove that nothing was lost",
		Long: `Start a broker and a schema registry inside this process (or use given ones),
generate load with poison and late records in it, run instances of each pipeline
as processes of their own, and kill one of them with kill -9 every --crash-every.

The dashboard that it serves, at the address it prints, shows all pipelines; there
you can kill an instance, and have a pipeline verified while the demo goes on.

After --duration, or at Ctrl-C, the load stops, the instances finish what is
there, and everything they wrote is compared with a plain model of the pipeline,
record by record, and so is their state. Exit 0 when all is equal, 1 when not.

With --dir the data stays there, with a PIPELINE.yaml that leads other commands
to the same cluster while the demo runs. On a given cluster all topics are new
ones, named pawl-demo-…, and are deleted at the end unless --dir is given.`,
		Example: `  pawl demo
  pawl demo --duration 30s --rate 5000 --crash-every 5s --report report.json
  pawl demo --kafka 127.0.0.1:9092 --registry http://127.0.0.1:8081 --duration 1m`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return a.runDemo(cmd.Context(), o)
		},
	}
	o.flags.add(cmd)
	f := cmd.Flags()
	f.IntVar(&o.rate, "rate", 1000, "records per second to generate, for each pipeline")
	f.IntVar(&o.instances, "instances", 2, "instances of each pipeline")
	f.IntVar(&o.partitions, "partitions", 4, "partitions of the input topics")
	f.DurationVar(&o.crashEvery, "crash-every", 5*time.Second, "time between crashes, 0 for none")
	f.DurationVar(&o.duration, "duration", 0, "how long to generate load, 0 until Ctrl-C")
	f.StringSliceVar(&o.pipelines, "pipelines", names(pipelines()), "pipelines to run")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the load and of the choice whom to crash")
	f.StringVar(&o.http, "http", "",
		"address of the dashboard, or off; default "+consoleAddress)
	f.StringVar(&o.dir, "dir", "", "keep data, settings and logs in this folder")
	f.StringVar(&o.report, "report", "", "write the verdict as JSON to this file")
	return cmd
}

// check finds all that is wrong with the flags.
func (o *demoOptions) check() error {
	var faults []string
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	fault(o.rate < 1 || o.rate > 10_000_000,
		"--rate=%d is out of range; give 1 to 10000000", o.rate)
	fault(o.instances < 1 || o.instances > 64,
		"--instances=%d is out of range; give 1 to 64", o.instances)
	fault(o.partitions < 1 || o.partitions > 1000,
		"--partitions=%d is out of range; give 1 to 1000", o.partitions)
	fault(o.crashEvery < 0, "--crash-every=%v is negative; give 0 for no crashes", o.crashEvery)
	fault(o.crashEvery > 0 && o.crashEvery < 100*time.Millisecond,
		"--crash-every=%v is too short for an instance to start; give 100ms or more", o.crashEvery)
	_, _, err := net.SplitHostPort(o.http)
	fault(err != nil && o.http != "" && o.http != "off",
		"--http=%s is no address; give host:port, such as %s, or off", o.http, consoleAddress)
	fault(o.duration < 0, "--duration=%v is negative; give 0 to run until Ctrl-C", o.duration)
	faults = append(faults, pipelineFaults(o.pipelines)...)
	if err := checkReportPath(o.report); err != nil {
		faults = append(faults, err.Error())
	}
	if len(faults) > 0 {
		return usage("%s", strings.Join(faults, "\n"))
	}
	return nil
}

// pipelineFaults finds all that is wrong with the value of --pipelines.
func pipelineFaults(list []string) []string {
	if len(list) == 0 {
		return []string{"--pipelines is empty; " + knownPipelines()}
	}
	var faults []string
	for i, name := range list {
		if _, err := pipelineNamed(name); err != nil {
			faults = append(faults, fmt.Sprintf("--pipelines=%s is unknown; %s", name,
				knownPipelines()))
		}
		if slices.Contains(list[:i], name) {
			faults = append(faults, fmt.Sprintf("--pipelines names %s twice; once is enough", name))
		}
	}
	return faults
}

// demoCheckpoints are settings that keep checkpoints in the demo's folder, often enough to be seen.
func demoCheckpoints(dir string) (map[string]string, error) {
	path, err := filepath.Abs(filepath.Join(dir, "checkpoints"))
	if err == nil {
		err = os.MkdirAll(path, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("make a folder for checkpoints: %w", err)
	}
	return map[string]string{"checkpoint.url": "file://" + path, "checkpoint.interval": "20s"}, nil
}

// runDemo sets the stage, plays, and gives the verdict.
func (a *app) runDemo(ctx context.Context, o demoOptions) (err error) {
	named, err := pipelinesNamed(o.pipelines)
	if err != nil {
		return err
	}
	s, _, err := judge(a.sources(o.flags), named, whatIsGiven)
	if err != nil {
		return err
	}
	a.notices(s)
	listener, err := listenConsole(ctx, o.http)
	if err != nil {
		return err
	}
	if listener != nil {
		defer listener.Close() // a second time when it was served on, which does no harm
	}
	dir, remove, err := scratch(o.dir, "pawl-demo-")
	if err != nil {
		return err
	}
	defer func() {
		var wrong *usageError
		if err == nil || o.dir != "" || errors.As(err, &wrong) {
			remove()
			return
		}
		fmt.Fprintf(a.stderr, "pawl: data and logs of this demo are kept in %s\n", dir)
	}()
	// What was started must be ended tidily also when ctx has ended: that only stops the load.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	cluster, err := openCluster(life, s, dir)
	if err != nil {
		return err
	}
	defer cluster.close()
	st := &stage{app: a, options: o, cluster: cluster, dir: dir, view: newView(a.stdout)}
	if s.Text("checkpoint.url") == "" {
		if st.override, err = demoCheckpoints(dir); err != nil {
			return err
		}
	}
	defer st.close()
	for _, p := range named {
		if err := st.add(life, p, s); err != nil {
			return err
		}
	}
	if listener != nil {
		defer st.openConsole(life, listener, s.Text("api.token"))()
	}
	return st.play(ctx, life)
}
