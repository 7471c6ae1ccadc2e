//go:build unix

package harness

import (
	"os"
	"strings"
	"testing"

	"pawl/integration/harness/servers"
)

// RegistryServer is a Schema Registry as one test sees it.
type RegistryServer struct {
	tb  testing.TB
	url string
	own *servers.Registry // nil when PAWL_REGISTRY gives the registry
}

// Registry starts an empty Schema Registry for this test alone, and stops it when the test ends.
// PAWL_REGISTRY replaces it.
func Registry(tb testing.TB) *RegistryServer {
	tb.Helper()
	if given := os.Getenv(registryVariable); given != "" {
		return &RegistryServer{tb: tb, url: strings.TrimRight(given, "/")}
	}
	own, err := servers.StartRegistry(tb.Context(), tb.TempDir())
	check(tb, err)
	tb.Cleanup(own.Close)
	return watchRegistry(tb, own)
}

// watchRegistry shows the test a registry, and the registry's log when the test fails.
func watchRegistry(tb testing.TB, own *servers.Registry) *RegistryServer {
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("Schema Registry last said:\n%s", own.Process().Tail(tailLines))
		}
	})
	return &RegistryServer{tb: tb, url: own.URL(), own: own}
}

// URL is the address that Schema Registry clients take, without a slash at its end.
func (r *RegistryServer) URL() string { return r.url }

// Stop begins an outage: connections are refused until Start. No schema is lost.
func (r *RegistryServer) Stop() {
	r.tb.Helper()
	r.owned()
	r.report(r.own.Stop())
}

// Start ends an outage that Stop began, and waits until the registry answers.
func (r *RegistryServer) Start() {
	r.tb.Helper()
	r.owned()
	r.report(r.own.Start(r.tb.Context()))
}

// Pause freezes the registry with SIGSTOP: it takes connections and never answers.
func (r *RegistryServer) Pause() {
	r.tb.Helper()
	r.owned()
	r.report(r.own.Pause())
}

// Resume thaws a frozen registry.
func (r *RegistryServer) Resume() {
	r.tb.Helper()
	r.owned()
	r.report(r.own.Resume())
}

// owned skips the test when the registry is somebody else's.
func (r *RegistryServer) owned() {
	r.tb.Helper()
	if r.own == nil {
		r.tb.Skipf("%s gives a registry, and this test needs one it may stop", registryVariable)
	}
}

// report fails the test for an error.
func (r *RegistryServer) report(err error) {
	r.tb.Helper()
	if err != nil {
		r.tb.Error(err)
	}
}
