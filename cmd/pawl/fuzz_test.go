package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/internal/settings"
)

// FuzzHTTP asks a running instance with checkpoints everything that its description lists, and what
// becomes of that: no fault of ours, and nothing without a token.
func FuzzHTTP(f *testing.F) {
	h := runningService(f)
	for _, path := range describedPaths(f, h) {
		path = strings.NewReplacer("{store}", "velocity", "{key}", "user-1", "{from}", "0", "{to}",
			"9999999999999", "{id}", "user-1").Replace(path)
		for token := range uint8(3) {
			f.Add(token, "GET", path, "limit=2", "Accept-Encoding", "gzip", []byte(nil))
			f.Add(token, "GET", path, "as-of=2100-01-01T00:00:00Z", "X-Request-Id", "a",
				[]byte(nil))
			f.Add(token, "POST", path, "", "Content-Type", "application/json", []byte("{}"))
		}
	}
	for _, path := range []string{"/ping", "/ready", "/status", "/metrics", "/", "//v1/../status"} {
		f.Add(uint8(0), "GET", path, "", "Origin", "http://evil.example", []byte(nil))
		f.Add(uint8(2), "DELETE", path, "", "Accept", "application/openmetrics-text", []byte(nil))
	}
	f.Fuzz(func(t *testing.T, token uint8, method, path, query, name, value string, body []byte) {
		r := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query},
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "127.0.0.1",
			RemoteAddr: "127.0.0.1:1", Header: http.Header{},
			Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
		r.Header.Set(name, value)
		if token %= 3; token > 0 {
			r.Header.Set("Authorization", "Bearer "+[]string{"", "fuzz-some", "fuzz-full"}[token])
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(ctx))
		given := r.Header.Get("Authorization")
		open := slices.Contains([]string{"/ping", "/ready", "/", "/dashboard.json"}, path) ||
			strings.HasPrefix(path, "/assets/")
		known := strings.Contains(given, "fuzz-some") || strings.Contains(given, "fuzz-full")
		switch {
		case !open && !known && w.Code != http.StatusUnauthorized:
			t.Errorf("%s %s without a token: %d %s", method, r.URL, w.Code, w.Body)
		case w.Code >= 500 && w.Code != http.StatusServiceUnavailable:
			t.Errorf("%s %s with %v: %d %s", method, r.URL, r.Header, w.Code, w.Body)
		case w.Code >= 400 && r.Method != http.MethodHead &&
			w.Header().Get("Content-Encoding") == "":
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s %s: %d %s", method, r.URL, w.Code, w.Body)
			}
		}
	})
}

// runningService is the handler of an instance that runs, has state and has taken checkpoints.
func runningService(f *testing.F) http.Handler {
	ctx, cancel := context.WithCancel(context.Background())
	cluster, flags := testCluster(f)
	if err := createInputs(ctx, cluster.admin(f), []string{"transactions"}, 2); err != nil {
		f.Fatal(err)
	}
	p, err := pipelineNamed("fraud")
	if err != nil {
		f.Fatal(err)
	}
	s, cfg, err := judge(settings.Sources{Sets: []string{"application.id=fuzz",
		"bootstrap.servers=" + flags[1], "schema.registry.url=" + flags[3],
		"state.dir=" + f.TempDir(), "checkpoint.url=file://" + f.TempDir(), "api.token=fuzz-full",
		"http.rate.limit=0", "api.readonly.token=fuzz-some"}}, []pipeline{p}, everything)
	if err != nil {
		f.Fatal(err)
	}
	cfg.EnsureDefaults()
	closeTarget, err := keepCheckpoints(ctx, s, &cfg)
	if err != nil {
		f.Fatal(err)
	}
	svc, quiet := newService(p.name), slog.New(slog.DiscardHandler)
	svc.keepPast(s, &cfg, quiet)
	closeAPI := svc.serveAPI(s, "", nil, quiet)
	ended := make(chan error, 1)
	go func() { ended <- svc.process(ctx, cfg, p.build(s)) }()
	f.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Error(err)
		}
		closeAPI()
		if err := closeTarget(); err != nil {
			f.Error(err)
		}
	})
	h := svc.handler()
	fuzzTaken(f, h, `"task":"fraud-1"`) // both tasks run, so all topics are there
	code, _, said := pawl(nil, append([]string{"generate", "fraud", "--count", "500", "--rate", "0",
		"--users", "9"}, flags...)...)
	if code != 0 {
		f.Fatal(said)
	}
	fuzzTaken(f, h, `"written"`)
	return h
}

// fuzzTaken takes checkpoints until the answer says what it should.
func fuzzTaken(f *testing.F, h http.Handler, says string) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		code, body := fuzzAsk(h, http.MethodPost, checkpointsPath)
		if code == http.StatusOK && strings.Contains(body, says) {
			return
		}
		if time.Now().After(end) {
			f.Fatalf("no %s: %d %s", says, code, body)
		}
	}
}

func fuzzAsk(h http.Handler, method, path string) (int, string) {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Authorization", "Bearer fuzz-full")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// describedPaths are those of the description.
func describedPaths(f *testing.F, h http.Handler) []string {
	_, body := fuzzAsk(h, http.MethodGet, "/openapi.json")
	var doc struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || len(doc.Paths) < 9 {
		f.Fatalf("the description: %v, %d paths", err, len(doc.Paths))
	}
	return sortedKeys(doc.Paths)
}
