package query

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pawl/deadletter"
)

// fakeDesk has two dead letters on d-0 and knows what it was asked.
type fakeDesk struct {
	asked []string
	fault error
}

func (d *fakeDesk) List(_ context.Context, f deadletter.Filter, o deadletter.ListOptions) (
	*deadletter.Page, error) {
	d.asked = append(d.asked, fmt.Sprintf("%+v %+v", f, o))
	return &deadletter.Page{Letters: []*deadletter.Letter{{ID: deadletter.ID{Topic: "d", Offset: 1},
		Exception: "A", State: deadletter.Dead, Time: time.UnixMilli(1).UTC(), Attempts: 1,
		Omitted: []string{}}},
		Offsets: map[string]int64{"d-0": 2}, More: 1}, d.fault
}

func (d *fakeDesk) Show(_ context.Context, id deadletter.ID) (*deadletter.Detail, error) {
	if id.Offset > 1 {
		return nil, &deadletter.MissingError{Topic: "d"}
	}
	return &deadletter.Detail{Letter: &deadletter.Letter{ID: id, State: deadletter.Dead, Epoch: 77,
		Omitted: []string{}},
		Headers: []deadletter.Header{{Key: "h", Text: "1", Value: []byte("1")}}}, d.fault
}

func (d *fakeDesk) Retry(_ context.Context, s deadletter.Selection, most int, dry bool) (
	*deadletter.Result, error) {
	d.asked = append(d.asked, fmt.Sprintf("retry %v %d %v", s.IDs, most, dry))
	result := []string{deadletter.ResultRetried, deadletter.ResultAlready, deadletter.ResultRefused,
		deadletter.ResultMissing}[s.IDs[0].Offset%4]
	return &deadletter.Result{Outcomes: []deadletter.Outcome{{ID: s.IDs[0], Result: result,
		Detail: "because"}}}, d.fault
}

func (d *fakeDesk) Discard(_ context.Context, s deadletter.Selection, reason string, dry bool) (
	*deadletter.Result, error) {
	d.asked = append(d.asked, fmt.Sprintf("discard %v %s %v", s.IDs, reason, dry))
	return &deadletter.Result{Outcomes: []deadletter.Outcome{{ID: s.IDs[0],
		Result: deadletter.ResultDiscarded}}}, d.fault
}

// lettersWorld is an instance whose dead letters are asked for in all ways.
func lettersWorld(c *fakeCluster) world {
	o := c.options[0]
	o.DeadLetters = &fakeDesk{}
	return world{o, []string{"/v1/deadletters", "/v1/deadletters?limit=x", "/v1/deadletters?x=1",
		"/v1/deadletters/d:0:1", "/v1/deadletters/d:0:9", "/v1/deadletters/d",
		"/v1/deadletters/d:0:0/retry {}", `/v1/deadletters/d:0:1/retry {"max_attempts":7}`,
		"/v1/deadletters/d:0:2/retry {}", "/v1/deadletters/d:0:3/retry {}",
		"/v1/deadletters/d:0:0/retry x", `/v1/deadletters/d:0:0/discard {"reason":"noise"}`,
		"/v1/deadletters/d:0:0/discard {}"}}
}

// TestDeadLetters asks for lists, and for what only some may.
func TestDeadLetters(t *testing.T) {
	c := newCluster(t, "fraud", 1, 2, "")
	c.states[0].commit(t, 0)
	o := c.options[0]
	desk := &fakeDesk{}
	o.DeadLetters = desk
	h, stop := New(o)
	defer stop()
	do := func(r *http.Request) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		return answer
	}
	get := do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/deadletters?limit=7"+
		"&exception=A&topic=t&state=dead&since=2026-01-01T00:00:00Z", nil))
	if get.Code != 200 || desk.asked[0] != "{Exception:A Topic:t Since:2026-01-01 00:00:00 +0000 "+
		"UTC Until:0001-01-01 00:00:00 +0000 UTC State:dead} {Limit:7 Scan:10000 Values:false}" {
		t.Errorf("%d, asked %s", get.Code, desk.asked)
	}
	for _, want := range []string{`"id":"d:0:1"`, `"complete":false`, `"d-0":2`, `"in-0":1`,
		`"epoch":`, `"watermark":`, `"more":1`} {
		if !strings.Contains(get.Body.String(), want) {
			t.Errorf("without %s: %s", want, get.Body)
		}
	}
	from := func(header, value string) func(r *http.Request) {
		return func(r *http.Request) { r.Header.Set(header, value) }
	}
	for _, x := range []struct {
		name   string
		code   int
		change func(r *http.Request)
	}{
		{"good", 200, func(*http.Request) {}},
		{"same origin", 200, from("Sec-Fetch-Site", "same-origin")},
		{"own origin", 200, from("Origin", "http://example.com")},
		{"charset", 200, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
		}},
		{"another site", 403, from("Sec-Fetch-Site", "cross-site")},
		{"another port", 403, from("Sec-Fetch-Site", "same-site")},
		{"another origin", 403, from("Origin", "http://evil.com")},
		{"a form", 415, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }},
		{"another machine", 401, func(r *http.Request) { r.RemoteAddr = "192.0.2.1:1" }},
		{"GET", 405, func(r *http.Request) { r.Method = http.MethodGet }},
	} {
		desk.asked = nil
		r := posted(t, "/v1/deadletters/d:0:0/retry", `{"max_attempts":3}`)
		x.change(r)
		got := do(r)
		if got.Code != x.code || (len(desk.asked) == 1) != (x.code == 200) {
			t.Errorf("%s: %d %s, asked %v", x.name, got.Code, got.Body, desk.asked)
		}
		if x.code == 200 && desk.asked[0] != "retry [d:0:0] 3 false" {
			t.Errorf("%s: asked %v", x.name, desk.asked)
		}
	}
	desk.fault = errors.New("no broker")
	if got := do(posted(t, "/v1/deadletters/d:0:0/discard", `{"reason":"x"}`)); got.Code != 503 ||
		!strings.Contains(got.Body.String(), "no broker") {
		t.Errorf("with a fault: %d %s", got.Code, got.Body)
	}
}
