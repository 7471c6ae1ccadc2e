package query

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"pawl/processor"
)

// fakePast has the present state of some tasks as checkpoints of one moment.
type fakePast struct {
	*fakeState
	taken  time.Time
	lacks  map[int32]bool
	broken error
}

func (p *fakePast) List(context.Context) (any, time.Time, error) {
	return []fields{{"application": "app", "task": "fraud-0", "id": "c-0", "epoch": 3,
		"created": p.taken, "bytes": 9, "objects": 1, "input_offsets": fields{"in-0": 30},
		"complete": true, "verified": false, "retired": false}}, p.taken, p.broken
}

func (p *fakePast) View(_ context.Context, partition int32, at Moment,
	ranges []processor.StateRange, read func(View, Copy) error) error {
	switch {
	case p.broken != nil:
		return p.broken
	case p.lacks[partition] || !at.Time.IsZero() && at.Time.Before(p.taken):
		return refuse(http.StatusNotFound, "no checkpoint as old as %s", at.Text)
	}
	return p.fakeState.View(partition, ranges, func(v View) error {
		return read(v, Copy{ID: "c-0", Created: p.taken})
	})
}

// withPast is an instance with all tasks, and checkpoints of them.
func withPast(t testing.TB) (*fakeCluster, *fakePast, func(path string) reply) {
	t.Helper()
	c := fraudCluster(t, 1, "")
	past := &fakePast{fakeState: c.states[0], lacks: make(map[int32]bool),
		taken: time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)}
	o := c.options[0]
	o.Past = past
	h, stop := New(o)
	t.Cleanup(stop)
	c.servers[0].Config.Handler = h
	return c, past, func(path string) reply { return c.get(t, 0, path) }
}

// TestAsOf is a table of questions about the past.
func TestAsOf(t *testing.T) {
	_, past, ask := withPast(t)
	const key, list = "/v1/state/keyvalue/velocity/u01", "/v1/state/keyvalues/velocity"
	for _, q := range []struct {
		path string
		code int
		says string
	}{
		{key + "?as-of=7", 200, `"as_of":"7"`},
		{key + "?as-of=7", 200, `"checkpoint":"c-0","created":"2026-01-02T15:00:00Z"`},
		{key + "?as-of=2026-01-02T15:04:05Z", 200, `"offsets":{`},
		{key + "?as-of=2026-01-02T14:04:05Z", 404, "no checkpoint as old"},
		{key + "?as-of=", 400, "neither an epoch nor a time"},
		{key + "?as-of=-1", 400, "neither an epoch nor a time"},
		{key + "?as-of=0001-01-01T00:00:00Z", 400, "neither an epoch nor a time"},
		{key + "?as-of=7&min-epoch=1", 400, "exclude each other"},
		{key + "?as-of=7&as-of=8", 400, "given 2 times"},
		{"/v1/state/keyvalue/velocity/nobody?as-of=7", 404, "has no key nobody"},
		{list + "?as-of=7", 400, "does not say of which of 3 tasks; give task=fraud-0"},
		{list + "?as-of=7&task=fraud-1", 200, `"complete":true`},
		{list + "?as-of=2026-01-02T15:04:05Z", 200, `"complete":true`},
		{list + "/range/u01/u03?as-of=2026-01-02T15:04:05Z", 200, `"as_of":`},
		{"/v1/state/windowed/velocity-nodes/u07/0/9?as-of=7", 200, `"as_of":`},
		{"/v1/fraud/users/u07?as-of=7", 200, `"count":2`},
		{"/v1/tasks?as-of=7", 400, "takes no parameters"},
		{"/v1/checkpoints", 200, `"input_offsets":{"in-0":30}`},
		{"/v1/checkpoints?task=1", 400, "takes no parameters"},
	} {
		if got := ask(q.path); got.code != q.code || !strings.Contains(got.text, q.says) {
			t.Errorf("%s: %d, want %d and %s in\n%s", q.path, got.code, q.code, q.says, got.text)
		}
	}
	past.lacks[1] = true
	got := ask(list + "?as-of=2026-01-02T15:04:05Z")
	if got.code != 200 || got.body["complete"] != false ||
		!strings.Contains(got.text, `"missing":["fraud-1"]`) {
		t.Errorf("one task without: %d %s", got.code, got.text)
	}
	past.lacks[0], past.lacks[2] = true, true
	if got := ask(list + "?as-of=2026-01-02T15:04:05Z"); got.code != 404 {
		t.Errorf("no task with one: %d %s", got.code, got.text)
	}
	for _, broken := range []error{errors.New("no route"),
		&Problem{Status: 503, Detail: "no route yet", RetryIn: 2}} {
		past.broken = broken
		for _, path := range []string{key + "?as-of=7", "/v1/checkpoints"} {
			got := ask(path)
			if got.code != 503 || got.header.Get("Retry-After") == "" ||
				!strings.Contains(got.text, "no route") {
				t.Errorf("%s: %d %s", path, got.code, got.text)
			}
		}
	}
}

// TestNoStorage names the setting.
func TestNoStorage(t *testing.T) {
	c := fraudCluster(t, 1, "")
	if got := c.get(t, 0, "/v1/fraud/users/u07?as-of=1"); got.code != 409 ||
		!strings.Contains(got.text, "checkpoint.url") {
		t.Errorf("as of: %d %s", got.code, got.text)
	}
	if got := c.get(t, 0, "/v1/checkpoints"); got.code != 200 ||
		!strings.Contains(got.text, `"checkpoints":[]`) ||
		!strings.Contains(got.text, `"storage":false`) {
		t.Errorf("list: %d %s", got.code, got.text)
	}
}

// TestAsOfTop ranks another time's pages beside those of the present.
func TestAsOfTop(t *testing.T) {
	now, old := newCluster(t, "pageviews", 1, 1, ""), newCluster(t, "pageviews", 1, 1, "")
	now.set(t, "page-counts", "/a", str("/a"), `{"views":3}`)
	old.set(t, "page-counts", "/a", str("/a"), `{"views":1}`) // at the same claim and epoch
	o := now.options[0]
	o.Past = &fakePast{fakeState: old.states[0]}
	h, stop := New(o)
	defer stop()
	now.servers[0].Config.Handler = h
	for range 2 {
		if got := now.get(t, 0, "/v1/pageviews/top"); !strings.Contains(got.text, `"views":3`) {
			t.Errorf("now: %s", got.text)
		}
		got := now.get(t, 0, "/v1/pageviews/top?as-of=9")
		if !strings.Contains(got.text, `"views":1`) {
			t.Errorf("then: %s", got.text)
		}
	}
}

// TestTakesGzip is what the header may say.
func TestTakesGzip(t *testing.T) {
	for header, want := range map[string]bool{"": false, "gzip": true, "br, GZIP;q=0.5": true,
		"gzip;q=0": false, "gzip;q=0.000": false, "*": true, "*;q=0": false,
		"*, gzip;q=0": false, "gzip;q=0, *": false, "identity": false, "gzip;q=x": false,
		"br;q=1.0, gzip; q=0.8": true} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", header)
		if got := takesGzip(r); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
