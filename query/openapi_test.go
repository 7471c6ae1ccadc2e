package query

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"pawl/statestore"
)

// TestRoutesAreDescribed holds the description's paths against the routes.
func TestRoutesAreDescribed(t *testing.T) {
	doc := description(t)
	described := slices.Sorted(maps.Keys(doc.Paths.Map()))
	all := (&server{}).routes()
	maps.Copy(all, (&server{}).actions())
	served := slices.Sorted(maps.Keys(all))
	if fmt.Sprint(described) != fmt.Sprint(served) {
		t.Errorf("described\n%v\nserved\n%v", described, served)
	}
	for _, name := range withAsOf(known) {
		if doc.Components.Parameters[name] == nil {
			t.Errorf("parameter %s is not described", name)
		}
	}
}

func description(t *testing.T) *openapi3.T {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(openapi)
	if err == nil {
		err = doc.Validate(loader.Context)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestAnswersAreDescribed has requests of all kinds answered, and holds each answer, good or bad,
// against the description.
func TestAnswersAreDescribed(t *testing.T) {
	doc := description(t)
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	covered := make(map[string]bool)
	for _, w := range append(worlds(t), alarmedWorlds(t)...) {
		for _, path := range w.paths {
			path, content, post := strings.Cut(path, " ")
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			if post {
				r = posted(t, path, content)
			}
			route, params, err := router.FindRoute(r)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			h, stop := New(w.options)
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, r.WithContext(patient(t, path)))
			stop()
			body := answer.Body.Bytes()
			err = openapi3filter.ValidateResponse(t.Context(),
				&openapi3filter.ResponseValidationInput{
					RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r,
						PathParams: params, Route: route},
					Status: answer.Code, Header: answer.Header(),
					Body: io.NopCloser(bytes.NewReader(body)),
					Options: &openapi3filter.Options{IncludeResponseStatus: true,
						AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}})
			if err != nil {
				t.Errorf("%s: %d\n%s\n%v", path, answer.Code, body, err)
			}
			if answer.Code == http.StatusOK {
				covered[route.Path] = true
			}
		}
	}
	for path := range doc.Paths.Map() {
		if path != "/openapi.yaml" && !covered[path] {
			t.Errorf("no good answer of %s was looked at", path)
		}
	}
}

// posted is a POST of JSON from this machine.
func posted(t *testing.T, path, body string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = "127.0.0.1:1"
	return r
}

// world is a pipeline's instance and what it is asked.
type world struct {
	options Options
	paths   []string // with a body behind a space, they are posted
}

func worlds(t *testing.T) []world {
	fraud := fraudCluster(t, 1, "").options[0]
	views := newCluster(t, "pageviews", 1, 2, "")
	views.set(t, "page-counts", "/a", str("/a"), `{"views":3,"as_of":"","oldest":0}`)
	views.set(t, "page-counts", "/b", str("/b"), `{"views":3,"as_of":"","oldest":0}`)
	_, past, _ := withPast(t)
	kept := fraud
	kept.Past = past
	sensors := newCluster(t, "iot", 1, 2, "")
	sensors.set(t, "sensor", "s", str("s").Int(1000).Int(0).Int(7),
		`{"temperature":20.5,"humidity":1,"pressure":2,"battery":0.5}`)
	active := newCluster(t, "activity", 1, 2, "")
	active.set(t, "per-minute", "u", str("u").Int(60_000), `{"event_count":1}`)
	active.set(t, "batches", "u", str("u"), `{"event_count":1}`)
	sessions := newCluster(t, "funnel", 1, 2, "")
	sessions.set(t, "session-sessions", "u", str("u"), `{"open":[{"start":1,"end":2}]}`)
	return []world{
		{fraud, []string{"/v1/state/keyvalue/velocity/u01", "/v1/state/keyvalue/velocity/x",
			"/v1/state/keyvalue/velocity/u01?min-epoch=99&wait=0s",
			"/v1/state/keyvalue/velocity-nodes/u01?rest=[0,1]", "/v1/state/keyvalue/x/x",
			"/v1/state/keyvalues/velocity?limit=3", "/v1/state/keyvalues/velocity-nodes",
			"/v1/state/keyvalues/velocity/range/u03/u04", "/v1/state/keyvalues/velocity?limit=x",
			"/v1/state/windowed/velocity-nodes/u01/0/0", "/v1/state/instances", "/v1/tasks",
			"/v1/tasks?x=1", "/v1/topology", "/v1/windows/velocity/u",
			"/v1/fraud/users/u01", "/v1/fraud/users/x", "/v1/funnel",
			"/openapi.json"}},
		{kept, []string{"/v1/checkpoints", "/v1/fraud/users/u01?as-of=3", "/v1/checkpoints?x=1",
			"/v1/state/keyvalues/velocity?as-of=2026-01-03T00:00:00Z",
			"/v1/state/keyvalues/velocity?as-of=2026-01-01T00:00:00Z"}},
		{fraud, []string{"/v1/checkpoints", "/v1/fraud/users/u01?as-of=3"}},
		{views.options[0], []string{"/v1/pageviews/top", "/v1/pageviews/top?n=1",
			"/v1/pageviews/top?n=0", "/v1/pageviews/top?n=1001", "/v1/pageviews/top?n=x"}},
		{sensors.options[0], []string{"/v1/iot/sensors/s", "/v1/iot/sensors/x"}},
		{active.options[0], []string{"/v1/activity/users/u", "/v1/activity/users/x",
			"/v1/windows/per-minute/u", "/v1/windows/per-minute/x", "/v1/windows/x/u"}},
		{sessions.options[0], []string{"/v1/funnel", "/v1/funnel?steps=true",
			"/v1/funnel?steps=x", "/v1/windows/session/u"}},
		lettersWorld(sessions), steeredWorld(sessions),
		{Options{State: func() State { return nil }}, []string{"/v1/funnel", "/v1/deadletters",
			"/v1/deadletters/d:0:1", "/v1/deadletters/d:0:1/retry {}"}},
	}
}

// TestPipelinesAnswers looks into the answers of the pipelines' own endpoints.
func TestPipelinesAnswers(t *testing.T) {
	views := newCluster(t, "pageviews", 2, 3, "")
	for i := range 30 {
		page := fmt.Sprintf("/p%02d", i)
		views.set(t, "page-counts", page, str(page), fmt.Sprintf(`{"views":%d}`, 10+i/2))
	}
	got := views.get(t, 1, "/v1/pageviews/top?n=3")
	pages := fmt.Sprint(got.body["pages"])
	if want := "[map[page:/p28 views:24] map[page:/p29 views:24] map[page:/p26 views:23]]"; pages !=
		want {
		t.Errorf("top: %s, want %s", pages, want)
	}
	if got.body["from"] == nil || got.body["complete"] != true {
		t.Errorf("top: %s", got.text)
	}
	views.set(t, "page-counts", "/p00", str("/p00"), `{"views":99}`)
	if got := views.get(t, 0, "/v1/pageviews/top?n=1"); fmt.Sprint(got.body["pages"]) !=
		"[map[page:/p00 views:99]]" {
		t.Errorf("top after an epoch: %s", got.text)
	}
	frauds := newCluster(t, "fraud", 1, 1, "")
	// A tree: the root has one slot of 64 ms, its leaves stand below.
	frauds.states[0].commit(t, 0,
		put("velocity", str("u"), `{"level":1,"base":10000,"slots":[{"index":0,"count":3}]}`),
		put("velocity-nodes", str("u").Int(0).Int(10000),
			`{"slots":[{"index":1,"count":1,"total_cents":5},{"index":2,"count":2,"total_cents":7}]}`),
		put("velocity-nodes", str("u").Int(1).Int(156), `{"slots":[{"index":1,"count":9}]}`),
		put("velocity-nodes", statestore.Key(str("u")).Int(0).Int(1),
			`{"slots":[{"index":1,"count":1,"total_cents":1000}]}`)) // older than the span
	got = frauds.get(t, 0, "/v1/fraud/users/u")
	if got.body["count"] != 3.0 || got.body["total_cents"] != 12.0 ||
		got.body["window_end"] != "1970-01-01T00:10:40.002Z" {
		t.Errorf("tree: %s", got.text)
	}
}
