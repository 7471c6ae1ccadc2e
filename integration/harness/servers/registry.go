//go:build unix

package servers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"pawl/integration/harness/process"
)

// apiPath is where Apicurio speaks the Confluent Schema Registry's API.
const apiPath = "/apis/ccompat/v6"

// Registry is a Schema Registry of its own, empty at first. What is registered survives Stop,
// Kill and Start: an outage loses no schema.
type Registry struct {
	in   install
	dir  string
	port int
	proc *process.Process
}

// StartRegistry starts a registry below dir, which it creates, and returns when it answers. The
// caller closes it.
func StartRegistry(ctx context.Context, dir string) (*Registry, error) {
	in, err := findInstall()
	if err != nil {
		return nil, fmt.Errorf("start Schema Registry: %w", err)
	}
	if dir, err = filepath.Abs(filepath.Join(dir, "registry")); err != nil {
		return nil, fmt.Errorf("start Schema Registry in %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start Schema Registry: %w", err)
	}
	for try := 1; ; try++ {
		ports, err := freePorts(1)
		if err != nil {
			return nil, fmt.Errorf("start Schema Registry: %w", err)
		}
		r := &Registry{in: in, dir: dir, port: ports[0]}
		if err = r.Start(ctx); err == nil {
			return r, nil
		}
		taken := r.proc != nil && portTaken(r.proc.Tail(tailLines)) != nil
		r.Close()
		if !taken || try == startTries {
			return nil, err
		}
	}
}

// URL is the address that Schema Registry clients take, without a slash at its end.
func (r *Registry) URL() string { return "http://" + local(r.port) + apiPath }

// Process is the process of the registry's latest run.
func (r *Registry) Process() *process.Process { return r.proc }

// Start starts a registry that was stopped or killed, on the port it had, and waits until it
// answers.
func (r *Registry) Start(ctx context.Context) error {
	if r.proc != nil && r.proc.Running() {
		return fmt.Errorf("start Schema Registry: it runs: stop it first")
	}
	jar, err := r.in.registryJar()
	if err != nil {
		return err
	}
	r.proc, err = process.Start(process.Spec{
		Name: "Schema Registry", Path: r.in.java, Dir: r.dir,
		Log: filepath.Join(r.dir, "server.log"),
		Args: []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
			"-XX:-UsePerfData",
			"-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port=" + strconv.Itoa(r.port),
			"-Dquarkus.log.level=WARN", "-Dquarkus.banner.enabled=false",
			// By default the database is in memory, and an outage would lose every schema.
			"-Dquarkus.datasource.jdbc.url=jdbc:h2:file:" + filepath.Join(r.dir, "database"),
			"-jar", jar},
	})
	if err != nil {
		return err
	}
	if err := r.waitReady(ctx); err != nil {
		return fmt.Errorf("start Schema Registry: %w; it last said:\n%s", err,
			r.proc.Tail(tailLines))
	}
	return nil
}

// waitReady asks for the subjects until they are answered.
func (r *Registry) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		err := r.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-r.proc.Done():
			return fmt.Errorf("on port %d: ended with exit code %d", r.port, r.proc.ExitCode())
		case <-ctx.Done():
			return fmt.Errorf("on port %d: not ready (%w): %w", r.port, ctx.Err(), err)
		case <-poll.C:
		}
	}
}

// answers makes one request.
func (r *Registry) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL()+"/subjects", nil)
	if err != nil {
		return fmt.Errorf("ask for subjects: %w", err)
	}
	req.Close = true // leave no idle connection to a server that comes and goes
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask for subjects: status %s, %q, %v", resp.Status, body, err)
	}
	return nil
}

// Stop ends the registry in order: connections are refused until Start.
func (r *Registry) Stop() error { return r.proc.Stop(stopLimit) }

// Kill ends the registry with SIGKILL.
func (r *Registry) Kill() { r.proc.Kill9() }

// Pause freezes the registry with SIGSTOP: it takes connections and never answers.
func (r *Registry) Pause() error { return r.proc.Pause() }

// Resume thaws a frozen registry.
func (r *Registry) Resume() error { return r.proc.Resume() }

// Close kills the registry and waits until it is gone; its database and log stay.
func (r *Registry) Close() {
	if r.proc != nil {
		r.proc.Kill9()
	}
}
