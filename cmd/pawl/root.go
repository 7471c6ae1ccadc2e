package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// app is what every command has at hand.
type app struct {
	environ []string
	stdout  io.Writer
	stderr  io.Writer
}

// run executes the command line and gives the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	a := &app{environ: environ, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return exitCode(root.ExecuteContext(ctx), stderr)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pawl",
		Short: "Exactly-once, stateful stream processing for Kafka",
		Long: `Pawl processes Kafka topics exactly once: whatever crashes, every committed input
record affects outputs and state once, and a restart resumes in seconds.

Start with the demo: it needs nothing else, crashes its instances without
warning, and proves at the end that nothing was lost or repeated.`,
		Example: `  pawl demo --duration 30s --crash-every 5s
  pawl run fraud --config fraud.yaml`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			hint := ""
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, " or ") + "? "
			}
			return usage("command %q is unknown; %ssee pawl --help", args[0], hint)
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%v; see %s --help", err, cmd.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(a.demo(), a.chaos(), a.run(), a.generate(), a.bench(), a.audit(),
		a.checkpoint(), a.deadletter(), a.replay(), a.schemas(), a.state(), a.upgrade(), a.acls(),
		a.config(), a.version(), a.overview(), a.transactions(), a.pause(), a.resume(),
		a.drainCommand())
	return root
}

// onePipeline demands exactly one argument, the name of a pipeline.
func onePipeline(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("%s needs one pipeline; %s", cmd.CommandPath(), knownPipelines())
	}
	_, err := pipelineNamed(args[0])
	return err
}

// none refuses arguments.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no argument %q; see %s --help", cmd.CommandPath(), args[0],
			cmd.CommandPath())
	}
	return nil
}
