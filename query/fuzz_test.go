package query

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzAPI never gets a panic, a fault of ours or a status that the description does not know out of
// any method, path, query, header and body, and nothing at all without a token.
func FuzzAPI(f *testing.F) {
	handlers := fuzzed(f)
	for i, method := range []string{"GET", "HEAD", "POST"} {
		for _, path := range slices.Sorted(maps.Keys((&server{}).routes())) {
			path = strings.NewReplacer("{store}", "velocity", "{key}", "u01", "{id}", "u01",
				"{from}", "0", "{to}", "9").Replace(path)
			f.Add(uint8(i), uint8(2), method, path, "", "If-None-Match", "*", []byte("{}"))
		}
	}
	for i, query := range []string{"limit=2&after=AnUA", "task=1&min-epoch=fraud-1:1&wait=1ms",
		"rest=[1]&wait=1ms&raw=1", "as-of=3&task=fraud-0", "as-of=2026-01-03T00:00:00Z&limit=1",
		"as-of=1&min-epoch=1", "n=3&as-of=2026-01-03T00:00:00%2B01:00", "prefix=u0", "%zz", ";"} {
		f.Add(uint8(i), uint8(3), "GET", "/v1/state/keyvalues/velocity", query, hopHeader, "0,1",
			[]byte(nil))
		f.Add(uint8(1), uint8(1), "GET", "/v1/pageviews/top", query, "Accept-Encoding", "gzip",
			[]byte(nil))
		f.Add(uint8(i), uint8(0), "POST", "/v1/checkpoints", query, "Authorization", "Bearer x",
			[]byte("{"))
		f.Add(uint8(0), uint8(2), "GET", "/v1/state/keyvalue/velocity/%2e%2E", query, requestID,
			"a\nb", []byte(nil))
	}
	f.Fuzz(func(t *testing.T, which, token uint8, method, path, query, name, value string,
		body []byte) {
		r := (&http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query},
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "h", Header: http.Header{},
			Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))})
		r.Header.Set(name, value)
		switch token % 4 {
		case 1:
			r.Header.Set("Authorization", "Bearer fuzz-some")
		case 2, 3:
			r.Header.Set("Authorization", "Bearer fuzz-full")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		w := httptest.NewRecorder()
		handlers[int(which)%len(handlers)].ServeHTTP(w, r.WithContext(ctx))
		judgeFuzzed(t, r, w, token%4 > 0)
	})
}

// fuzzed are instances of all pipelines, behind tokens.
func fuzzed(f *testing.F) []http.Handler {
	_, past, _ := withPast(f)
	var all []http.Handler
	for _, pipeline := range slices.Sorted(maps.Keys(fakeTables)) {
		c := newCluster(f, pipeline, 1, 2, "")
		for _, table := range []string{"velocity", "batches", "session-sessions", "page-counts"} {
			c.set(f, table, "u01", str("u01"), `{"level":0,"views":1,"open":[{}]}`)
		}
		for _, table := range []string{"velocity-nodes", "sensor", "per-minute", "five-minutes"} {
			c.set(f, table, "u01", str("u01").Int(7).Int(8), `{"temperature":1,"slots":[{}]}`)
		}
		o := c.options[0]
		o.Past = past
		if pipeline != "fraud" {
			o.Past = &fakePast{fakeState: c.states[0], taken: past.taken}
		}
		h, stop := New(o)
		f.Cleanup(stop)
		all = append(all, Guard(Access{Token: "fuzz-full", ReadOnly: "fuzz-some"}, h, "/ping"))
	}
	return all
}

// judgeFuzzed holds an answer against what the description says that there can be.
func judgeFuzzed(t *testing.T, r *http.Request, w *httptest.ResponseRecorder, known bool) {
	t.Helper()
	what := func() string { return r.Method + " " + r.URL.String() }
	given := r.Header.Get("Authorization")
	known = known || strings.Contains(given, "fuzz-some") || strings.Contains(given, "fuzz-full")
	if !known && r.URL.Path != "/ping" && w.Code != http.StatusUnauthorized {
		t.Errorf("%s without a token: %d %s", what(), w.Code, w.Body)
	}
	switch w.Code {
	case 200, 304, 400, 401, 403, 404, 405, 409, 412, 503:
	case 301, 307: // a path that is not clean
		return
	default:
		t.Errorf("%s with %v: %d %s", what(), r.Header, w.Code, w.Body)
	}
	if w.Header().Get(requestID) == "" || w.Code == 503 && w.Header().Get("Retry-After") == "" {
		t.Errorf("%s: %d with %v", what(), w.Code, w.Header())
	}
	kind := w.Header().Get("Content-Type")
	if w.Code == 304 || r.Method == http.MethodHead || kind == "application/yaml" {
		return
	}
	if (kind == "application/problem+json") != (w.Code >= 400) {
		t.Errorf("%s: %d is %s", what(), w.Code, kind)
	}
	body := w.Body.Bytes()
	if w.Header().Get("Content-Encoding") == "gzip" {
		zip, err := gzip.NewReader(w.Body)
		if err == nil {
			body, err = io.ReadAll(zip)
		}
		if err != nil {
			t.Errorf("%s: %v", what(), err)
		}
	}
	if !json.Valid(body) {
		t.Errorf("%s: %d %s", what(), w.Code, body)
	}
}
