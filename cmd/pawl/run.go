package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"pawl/internal/settings"
	"pawl/internal/tracing"
	"pawl/processor"
)

func (a *app) run() *cobra.Command {
	var flags sourceFlags
	var dryRun bool
	var profile string
	cmd := &cobra.Command{
		Use:   "run PIPELINE",
		Short: "Run one instance of a pipeline, the service",
		Long: `Run one instance of a pipeline until SIGTERM or Ctrl-C, which commits what is under
way and leaves the group; a second signal ends it at once. Restarting is always
safe, also after kill -9. Start more instances with their own state.dir to share
the partitions.

Input topics must exist; the other ones are created. --dry-run prints what is
needed and changes nothing.

HTTP on http.listen: /ping, /ready, /status, /metrics, and the committed state
under /v1, from any instance for any key, which /openapi.yaml describes; what
happens is sent as it does by /v1/events. Anybody may ask, unless api.token or
api.tls.client.ca is set; with api.tls.cert and api.tls.key it is HTTPS.

With checkpoint.url, copies of the state go there every checkpoint.interval, and a
machine that has none, or a damaged one, starts from the newest of them.

Traces go to otel.endpoint, or where OTEL_EXPORTER_OTLP_ENDPOINT says.

PAWL_KILL_AT=POINT[:N] makes the process kill -9 itself the Nth time it passes a
point of the transaction: before-begin, first-ack, flushed, offsets-pending,
end-sent, end-answered, applying, applied; or of what is beside it: overlapping,
spilling, spilled, claimed, restoring, restored, revoking; with checkpoints also:
checkpoint-copied, checkpoint-uploaded, checkpoint-written, checkpoint-pruned,
restore-downloaded.

Exit 0 stopped cleanly; 2 settings or schemas refused, all faults listed; 1
anything else.`,
		Example: `  pawl run fraud --config fraud.yaml
  pawl run fraud --config fraud.yaml --dry-run`,
		Args: onePipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pipelineNamed(args[0])
			if err != nil {
				return err
			}
			return a.profiled(cmd.Context(), p, flags, dryRun, profile)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the topics and subjects needed, and stop")
	cmd.Flags().StringVar(&profile, "profile", "", profileHelp)
	return cmd
}

// profiled is service with its profiles, which are whole only after a tidy stop.
func (a *app) profiled(ctx context.Context, p pipeline, flags sourceFlags, dryRun bool,
	dir string) error {
	stop, err := startProfile(dir)
	if err != nil {
		return err
	}
	return errors.Join(a.service(ctx, p, flags, dryRun), stop())
}

func (a *app) service(ctx context.Context, p pipeline, flags sourceFlags, dryRun bool) (
	err error) {
	s, cfg, err := judge(a.sources(flags), []pipeline{p}, everything)
	kill, killErr := parseKillAt(a.environ)
	around, detourErr := parseDetour(a.environ)
	if err := joinFaults(err, killErr, detourErr); err != nil {
		return err
	}
	a.notices(s)
	if dryRun {
		return a.plan(ctx, cfg, p.build(s))
	}
	keepPrivate()
	cfg.EnsureDefaults()
	limitMemory(cfg.MemoryMax)
	if kill != nil {
		fmt.Fprintln(a.stderr, kill.warning())
		cfg.Point = kill.pass
	}
	if around != nil {
		fmt.Fprintln(a.stderr, around.warning())
		cfg.Dialer = around.dial
	}
	if disk := parseDiskFault(a.environ); disk != nil {
		fmt.Fprintln(a.stderr, disk.warning())
		cfg.Stores = disk.stores
	}
	closeTarget, err := keepCheckpoints(ctx, s, &cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTarget()) }()
	svc, topology := newService(p.name), p.build(s)
	svc.metrics.Count(topology.Counters())
	cfg.ClientOptions = svc.metrics.ClientOptions
	log := newJournal(a.stderr, s)
	cfg.Listeners = append(cfg.Listeners, log.listener(), svc.metrics.Listener())
	stopTracing, err := a.trace(ctx, s, log, &cfg)
	if err != nil {
		return err
	}
	defer stopTracing()
	stopHTTP, err := a.serveHTTP(ctx, s, svc, &cfg, log.log)
	if err != nil {
		return err
	}
	defer stopHTTP()
	return svc.process(ctx, cfg, topology)
}

// trace has records followed, where there is a place for their spans.
func (a *app) trace(ctx context.Context, s *settings.Settings, log *journal,
	cfg *processor.Config) (stop func(), err error) {
	endpoint := s.Text("otel.endpoint")
	if !tracing.On(endpoint, a.environ) {
		return func() {}, nil
	}
	version, _ := build()
	tracer, err := tracing.New(ctx, tracing.Config{Endpoint: endpoint, Version: version,
		Ratio: s.Float("otel.sample.ratio"), Application: cfg.ApplicationID,
		OnError: log.traceFault})
	if err != nil {
		return nil, err
	}
	cfg.Tracer = tracer
	return func() {
		if err := tracer.Close(ctx); err != nil {
			log.traceFault(err)
		}
	}, nil
}

// process runs the instance until ctx asks for a tidy stop or the instance ends by itself.
func (s *service) process(ctx context.Context, cfg processor.Config, p *processor.Pipeline) error {
	in, err := processor.Start(ctx, cfg, p)
	defer s.endPast()
	if err != nil {
		if ctx.Err() != nil {
			return nil // it was asked to stop before it had started
		}
		return fmt.Errorf("start %s: %w", s.pipeline, err)
	}
	s.beginPast()
	s.instance.Store(in)
	stopped := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(stopped)
		s.endPast() // while state.dir is still ours
		in.Stop()
	})
	err = in.Wait()
	if !unhook() {
		<-stopped
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", s.pipeline, err)
	}
	return nil
}

// joinFaults makes one list of the faults of several checks; any other error wins.
func joinFaults(errs ...error) error {
	var all settings.Faults
	for _, err := range errs {
		faults, ok := err.(settings.Faults)
		if err != nil && !ok {
			return err
		}
		all = append(all, faults...)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}
