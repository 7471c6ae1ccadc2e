package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(os.Stdout).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sweep:", err)
		stop()
		os.Exit(1)
	}
}

// command is the whole program, which prints to out.
func command(out io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "sweep",
		Short: "Measure what fraud velocity costs while one thing at a time changes",
		Long: `Measure what fraud velocity costs on a real broker while one thing at a time changes,
and fit the model of docs/cost-model.md to it.

  go run ./integration/sweep run sweep.jsonl --repeat 3
  go run ./integration/sweep fit sweep.jsonl
  go run ./integration/sweep plot sweep.jsonl docs/pictures

An interrupted sweep goes on where it was: run it again with the same file and flags.`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetOut(out)
	root.AddCommand(runCommand(), fitCommand(), plotCommand())
	return root
}

// runOptions are the flags of `sweep run`.
type runOptions struct {
	grid   grid
	repeat int
	dir    string
	verify bool
	list   bool
}

func runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Measure what FILE does not have yet, a line for each measurement",
		Long: `Start a broker and a registry of its own (make servers fetches them), and measure one
point after another: topics, load, one pawl run as a child process. The window that
counts begins with the first commit, at a rate with the first after a quarter of the
events, and ends with the commit that covers the last.

Each round has every point once, so that what changes on the machine with time falls
on all of them alike. A point and round that FILE has are left out.`,
		Example: `  go run ./integration/sweep run sweep.jsonl --repeat 3
  go run ./integration/sweep run quick.jsonl --events 400000 --factors base,partitions`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
	f := cmd.Flags()
	f.Int64Var(&o.grid.events, "events", 2_000_000, "how many events a flat out point has")
	f.DurationVar(&o.grid.paced, "paced-for", 40*time.Second, "how long a paced point takes")
	f.IntVar(&o.grid.covered, "events-per-key", 4, "how many a user has at least where there are "+
		"most users: with fewer, most are first ones")
	f.StringSliceVar(&o.grid.factors, "factors", nil,
		"only these: "+strings.Join(factors, ", "))
	f.IntVar(&o.repeat, "repeat", 3, "how many rounds")
	f.StringVar(&o.dir, "dir", "", "where servers and state have their files; default a new "+
		"folder among the temporary ones, which is removed")
	f.BoolVar(&o.verify, "verify", true, "in the first round, compare all output and state with "+
		"the oracle")
	f.BoolVar(&o.list, "list", false, "only tell what is to be measured")
	return cmd
}

func (o *runOptions) check() error {
	var faults []error
	if o.grid.events < 1000 {
		faults = append(faults, fmt.Errorf("--events=%d is too few; give 1000 or more",
			o.grid.events))
	}
	if o.grid.paced < time.Second {
		faults = append(faults, fmt.Errorf("--paced-for=%v is too short; give 1s or more",
			o.grid.paced))
	}
	if o.grid.covered < 1 {
		faults = append(faults, fmt.Errorf("--events-per-key=%d is out of range; give 1 or more",
			o.grid.covered))
	}
	if o.repeat < 1 {
		faults = append(faults, fmt.Errorf("--repeat=%d is out of range; give 1 or more", o.repeat))
	}
	for _, name := range o.grid.factors {
		if !known(name) {
			faults = append(faults, fmt.Errorf("--factors=%s is unknown; give some of %s", name,
				strings.Join(factors, ", ")))
		}
	}
	return errors.Join(faults...)
}

// run makes the measurements that path lacks.
func (o *runOptions) run(ctx context.Context, out io.Writer, path string) (err error) {
	have, err := readResults(path)
	if err != nil {
		return err
	}
	all := turns(o.grid.steps(), o.repeat)
	todo := left(all, have)
	progress := newEstimate(todo)
	fmt.Fprintf(out, "%d measurements, %d of them in %s already; %v\n", len(all),
		len(all)-len(todo), path, progress)
	if o.list {
		for _, t := range todo {
			fmt.Fprintf(out, "%-10s round %d: %v\n", t.Factor, t.round+1, t.Point)
		}
		return nil
	}
	if len(todo) == 0 {
		return nil
	}
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "pawl-sweep-"); err != nil {
			return fmt.Errorf("make a folder for the sweep: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	st, err := openStage(ctx, dir)
	if err != nil {
		return err
	}
	defer st.close()
	// A broker that has just started is slow; its first run is not counted.
	if _, err := st.measure(ctx, o.grid.base(), false); err != nil {
		return fmt.Errorf("warm the broker up: %w", err)
	}
	return o.each(ctx, out, st, path, todo, progress)
}

// failuresMax is after how many measurements one after the other that could not be made a sweep is
// given up: it is not the point, then.
const failuresMax = 3

// each makes one measurement after another. One that fails is told, and left for the next run.
func (o *runOptions) each(ctx context.Context, out io.Writer, st *stage, path string, todo []turn,
	progress *estimate) error {
	var failed []error
	inRow := 0
	for _, t := range todo {
		began := time.Now()
		r, err := st.measure(ctx, t.Point, o.verify && t.round == 0)
		progress.finished(t, time.Since(began))
		if err != nil {
			failed = append(failed, fmt.Errorf("measure %v, round %d: %w", t.Point, t.round+1, err))
			fmt.Fprintf(out, "%v: %-10s %v: failed\n", progress, t.Factor, t.Point)
			if inRow++; inRow == failuresMax || ctx.Err() != nil {
				break
			}
			continue
		}
		inRow = 0
		r.Factor, r.Round = t.Factor, t.round
		if err := appendResult(path, r); err != nil {
			return err
		}
		fmt.Fprintf(out, "%v: %-10s %v: %.0f events/s, %.2f CPU s per million, broker %.2f\n",
			progress, t.Factor, t.Point, r.perSecond(), r.PawlCPU()/r.millions(),
			r.BrokerCPU()/r.millions())
	}
	return errors.Join(failed...)
}
