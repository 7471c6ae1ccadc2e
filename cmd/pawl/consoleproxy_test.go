package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// proxied serves a proxy to instances that a test plays.
func proxied(t *testing.T, members ...string) string {
	t.Helper()
	up := &upInstances{pipeline: "fraud", next: &http.Transport{},
		members: func() []string { return members }}
	server := httptest.NewServer(up.proxy())
	t.Cleanup(up.next.CloseIdleConnections)
	t.Cleanup(server.Close)
	return server.URL + "/p/fraud"
}

// played is an instance that a handler plays.
func played(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// gone is an address where nobody listens any more.
func gone() string {
	server := httptest.NewServer(nil)
	server.Close()
	return strings.TrimPrefix(server.URL, "http://")
}

func request(t *testing.T, ctx context.Context, method, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// TestProxyStreams: an event reaches the page when it is sent, and who goes away is not sent more.
func TestProxyStreams(t *testing.T) {
	next, left := make(chan string), make(chan struct{})
	addr := played(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		defer close(left)
		for {
			select {
			case text := <-next:
				fmt.Fprintf(w, "data: %s\n\n", text)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { next <- "one" }() // before it no header comes
	response := request(t, ctx, http.MethodGet, proxied(t, addr)+"/v1/events")
	lines := bufio.NewScanner(response.Body)
	want := func(text string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == "data: "+text {
				return
			}
		}
		t.Fatalf("%s did not come: %v", text, lines.Err())
	}
	want("one")
	for n := range 3 { // each is there before the next is sent
		text := fmt.Sprint("event ", n)
		next <- text
		want(text)
	}
	cancel()
	<-left
}

// TestProxyKeepsPaths: what is escaped stays so, and parameters and headers pass.
func TestProxyKeepsPaths(t *testing.T) {
	addr := played(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		fmt.Fprint(w, r.Method, " ", r.RequestURI, " ", r.Header.Get("Authorization"))
	})
	for _, path := range []string{"/v1/state/keyvalue/page-counts/%2Fp%2F10?wait=1s", "/status",
		"/v1/windows/s/a%20b%25", "/v1/x//y"} {
		response := request(t, t.Context(), http.MethodGet, proxied(t, addr)+path)
		text, _ := io.ReadAll(response.Body)
		if string(text) != "GET "+path+" " {
			t.Errorf("%s became %s", path, text)
		}
	}
}

// TestProxyFindsWhoIsUp asks the next one when one is gone, but gives no order twice.
func TestProxyFindsWhoIsUp(t *testing.T) {
	var asked atomic.Int64
	addr := played(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	base := proxied(t, gone(), addr)
	if response := request(t, t.Context(), http.MethodGet, base+"/status"); response.StatusCode !=
		http.StatusOK || asked.Load() != 1 {
		t.Errorf("with one gone: %s, %d asked", response.Status, asked.Load())
	}
	if response := request(t, t.Context(), http.MethodPost, base+"/v1/checkpoints"); response.
		StatusCode != http.StatusBadGateway || asked.Load() != 1 {
		t.Errorf("an order with one gone: %s, %d asked", response.Status, asked.Load())
	}
	for _, base := range []string{proxied(t), proxied(t, gone())} {
		response := request(t, t.Context(), http.MethodGet, base+"/status")
		text, _ := io.ReadAll(response.Body)
		if response.StatusCode < 502 || response.Header.Get("Retry-After") != "1" ||
			response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("nobody up: %s %s", response.Status, text)
		}
	}
}
