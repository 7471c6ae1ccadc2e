package query

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fakeSteering does what it is told, or says why not.
type fakeSteering struct {
	told  []string
	fault error
}

func (f *fakeSteering) InstanceID() string { return "one" }

func (f *fakeSteering) Pause() error {
	f.told = append(f.told, "pause")
	return f.fault
}

func (f *fakeSteering) Resume() error {
	f.told = append(f.told, "resume")
	return f.fault
}

func (f *fakeSteering) Drain(context.Context) error {
	f.told = append(f.told, "drain")
	return f.fault
}

// steeredWorld is an instance that is steered.
func steeredWorld(c *fakeCluster) world {
	o := c.options[0]
	o.Steering = func() Steering { return &fakeSteering{} }
	return world{o, []string{"/v1/pause {}", "/v1/resume {}", "/v1/drain {}", "/v1/pause?x=1 {}"}}
}

// TestSteering: each word reaches the instance, and nobody steers it who may not.
func TestSteering(t *testing.T) {
	c := newCluster(t, "fraud", 1, 2, "")
	c.states[0].commit(t, 0)
	in := &fakeSteering{}
	o := c.options[0]
	o.Steering = func() Steering { return in }
	do := func(method, path, from string, header ...string) *httptest.ResponseRecorder {
		h, stop := New(o)
		defer stop()
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		r.RemoteAddr = from
		if len(header) > 0 {
			r.Header.Set(header[0], header[1])
		}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		return answer
	}
	for _, path := range []string{"/v1/pause", "/v1/resume", "/v1/drain"} {
		got := do(http.MethodPost, path, "127.0.0.1:1")
		if got.Code != 200 || !strings.Contains(got.Body.String(), `"instance":"one"`) ||
			!strings.Contains(got.Body.String(), `"paused":false`) {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
		if got := do(http.MethodGet, path, "127.0.0.1:1"); got.Code != 405 {
			t.Errorf("GET %s: %d", path, got.Code)
		}
		if got := do(http.MethodPost, path, "10.0.0.1:1"); got.Code != 401 {
			t.Errorf("%s from elsewhere: %d", path, got.Code)
		}
		if got := do(http.MethodPost, path, "127.0.0.1:1", "Sec-Fetch-Site",
			"cross-site"); got.Code != 403 {
			t.Errorf("%s from a page: %d", path, got.Code)
		}
	}
	if got := strings.Join(in.told, " "); got != "pause resume drain" {
		t.Errorf("told %q", got)
	}
	in.fault = errors.New("the instance drains")
	if got := do(http.MethodPost, "/v1/pause", "127.0.0.1:1"); got.Code != 409 {
		t.Errorf("refused: %d", got.Code)
	}
	if got := do(http.MethodPost, "/v1/drain", "127.0.0.1:1"); got.Code != 503 {
		t.Errorf("drain without a cluster: %d", got.Code)
	}
	o.Steering = func() Steering { return nil }
	if got := do(http.MethodPost, "/v1/pause", "127.0.0.1:1"); got.Code != 503 {
		t.Errorf("before the start: %d", got.Code)
	}
}
