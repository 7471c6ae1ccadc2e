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

	"pawl/processor"
	"pawl/statestore"
)

// users are keys that belong to several of three tasks.
func users(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("u%02d", i)
	}
	return all
}

func fraudCluster(t testing.TB, instances int, token string) *fakeCluster {
	c := newCluster(t, "fraud", instances, 3, token)
	for i, u := range users(20) {
		c.set(t, "velocity", u, str(u), fmt.Sprintf(`{"level":0,"base":%d,"slots":[`+
			`{"index":0,"count":1,"total_cents":5},{"index":1000,"count":1,"total_cents":%d}]}`,
			1000*i, i))
		c.set(t, "velocity-nodes", u, str(u).Int(0).Int(int64(i)), `{"slots":[]}`)
	}
	return c
}

// TestAnyInstanceAnswers compares the answers of three instances for every key and for ranges.
func TestAnyInstanceAnswers(t *testing.T) {
	c := fraudCluster(t, 3, "")
	paths := []string{"/v1/state/keyvalues/velocity?limit=7", "/v1/state/keyvalues/velocity-nodes",
		"/v1/state/keyvalues/velocity/range/u03/u11", "/v1/state/keyvalues/velocity?prefix=u1",
		"/v1/state/windowed/velocity-nodes/u04/0/0"}
	for _, u := range users(20) {
		paths = append(paths, "/v1/state/keyvalue/velocity/"+u, "/v1/fraud/users/"+u)
	}
	for _, path := range paths {
		first := c.get(t, 0, path)
		if first.code != 200 || first.body["complete"] != true || first.body["epoch"] == 0.0 ||
			len(first.body["offsets"].(map[string]any)) == 0 || first.body["watermark"] == nil {
			t.Fatalf("%s: %d %s", path, first.code, first.text)
		}
		for i := range 3 {
			if got := c.get(t, i, path); got.text != first.text ||
				got.header.Get("ETag") != first.header.Get("ETag") {
				t.Errorf("%s: instance %d says\n%s\ninstance 0\n%s", path, i, got.text, first.text)
			}
		}
	}
}

// TestAnswers is a table of questions and what must stand in the answers.
func TestAnswers(t *testing.T) {
	c := fraudCluster(t, 2, "")
	c.set(t, "velocity", "a/b c", str("a/b c"), `{"big":1}`)
	c.set(t, "velocity", "bad", str("bad"), `"broken"`)
	s := c.states[0]
	s.commit(t, 0, put("timers-expiry", statestore.Key(nil).Int(5).String("u"), `{"at":5}`),
		put("rates", str("EUR"), `1`))
	for _, q := range []struct {
		path string
		code int
		says string
	}{
		{"/v1/state/keyvalue/velocity/u01", 200, `"key":"u01"`},
		{"/v1/state/keyvalue/velocity/a%2Fb%20c", 200, `"value":{"big":1}`},
		{"/v1/state/keyvalue/velocity/u01?raw=true", 200, `"value":"eyJsZXZl`},
		{"/v1/state/keyvalue/velocity-nodes/u01?rest=[0,1]", 200, `"key":["u01",0,1]`},
		{"/v1/state/keyvalue/velocity/nobody", 404, `store velocity has no key nobody`},
		{"/v1/state/keyvalue/velocity/nobody", 404, `"epoch":`},
		{"/v1/state/keyvalue/no/u01", 404, `has no store \"no\"; it has velocity, `},
		{"/v1/state/keyvalue/velocity/u01?rest=[1.5]", 400, "neither a string nor an integer"},
		{"/v1/state/keyvalue/velocity/u01?rest=x", 400, "not a JSON array"},
		{"/v1/state/keyvalue/timers-expiry/u", 400, "begin with a time"},
		{"/v1/state/keyvalue/velocity/bad", 500, "bytes that are none"},
		{"/v1/state/keyvalue/velocity/u01?task=fraud-9", 400, "task=fraud-9 is none"},
		{"/v1/state/keyvalues/velocity?limit=0", 400, "limit=0 is not a number from 1 to 1000"},
		{"/v1/state/keyvalues/velocity?limit=1&limit=2", 400, "limit is given 2 times"},
		{"/v1/state/keyvalues/velocity?lim=1", 400, `there is no parameter \"lim\"`},
		{"/v1/state/keyvalues/velocity?after=!", 400, "is no cursor"},
		{"/v1/state/keyvalues/velocity?min-epoch=3", 400, "does not say of which of 3 tasks"},
		{"/v1/state/keyvalues/velocity?min-epoch=x", 400, "min-epoch=x is neither"},
		{"/v1/state/keyvalues/velocity?wait=1h", 400, "wait=1h is not a duration"},
		{"/v1/state/keyvalues/velocity?raw=perhaps", 400, "neither true nor false"},
		{"/v1/state/keyvalues/velocity?%zz", 400, "cannot be read"},
		{"/v1/state/keyvalues/timers-expiry", 200, `"rows":[{"key":[5,"u"]`},
		{"/v1/state/keyvalues/timers-expiry/range/5/1970-01-01T00:00:05Z", 200, `[5,"u"]`},
		{"/v1/state/keyvalues/timers-expiry/range/6/7", 200, `"rows":[]`},
		{"/v1/state/keyvalues/timers-expiry/range/x/7", 400, `from \"x\" is neither a time`},
		{"/v1/state/keyvalues/rates", 200, `"rows":[{"key":"EUR","value":1}],`},
		{"/v1/state/windowed/velocity-nodes/u07/0/0", 200, `"rest":[7],"time":"1970`},
		{"/v1/state/windowed/velocity-nodes/u07/1/9", 200, `"rows":[]`},
		{"/v1/state/windowed/velocity-nodes/u07/x/9", 400, `from \"x\"`},
		{"/v1/fraud/users/u07", 200, `"count":2,"epoch":`},
		{"/v1/fraud/users/u07", 200, `"total_cents":12,"transactions":[{"timestamp":"1970`},
		{"/v1/fraud/users/nobody", 404, "has no transaction"},
		{"/v1/pageviews/top", 404, "is an instance of fraud"},
		{"/v1/state/instances", 200, `"instance":"i0"`},
		{"/v1/tasks", 200, `"complete":true,"tasks":[{"task":"fraud-0","instance":"i0"`},
		{"/v1/tasks", 200, `"hot_keys":[{"key":"u01","share":0.25}]`},
		{"/v1/nothing", 404, "there is no"},
		{"/openapi.yaml", 200, "openapi: 3.0.3"},
		{"/openapi.json", 200, `"openapi":"3.0.3"`},
	} {
		got := c.get(t, 1, q.path)
		if got.code != q.code || !strings.Contains(got.text, q.says) {
			t.Errorf("%s: %d, want %d and %s in\n%s", q.path, got.code, q.code, q.says, got.text)
		}
		kind := got.header.Get("Content-Type")
		if (kind == "application/problem+json") != (got.code >= 400) {
			t.Errorf("%s: %d has content type %s", q.path, got.code, kind)
		}
		if got.header.Get(requestID) == "" {
			t.Errorf("%s: no request id", q.path)
		}
	}
}

// TestPagesAddUp reads a store page by page from changing instances: every row once, in order.
func TestPagesAddUp(t *testing.T) {
	c := fraudCluster(t, 2, "")
	for _, limit := range []int{1, 3, 19, 20, 100} {
		var keys []string
		after := ""
		for n := 0; ; n++ {
			got := c.get(t, n%2, fmt.Sprintf("/v1/state/keyvalues/velocity?limit=%d%s", limit,
				after))
			rows := got.body["rows"].([]any)
			for _, r := range rows {
				keys = append(keys, r.(map[string]any)["key"].(string))
			}
			next, more := got.body["next"].(string)
			if len(rows) > limit || n > 30 {
				t.Fatalf("limit %d: page %d has %d rows", limit, n, len(rows))
			}
			if !more {
				break
			}
			after = "&after=" + next
		}
		if want := users(20); fmt.Sprint(keys) != fmt.Sprint(want) {
			t.Errorf("limit %d: %v", limit, keys)
		}
	}
}

// TestShortPages merges pages of which one ends before its task's rows do, and before the limit.
func TestShortPages(t *testing.T) {
	of := func(next string, keys ...string) page {
		p := page{}
		if next != "" {
			p.Next = []byte(next)
		}
		for _, k := range keys {
			p.Rows = append(p.Rows, wireRow{At: []byte(k)})
		}
		return p
	}
	rows, next := mergePages([]page{of("c", "a", "b"), of("", "aa", "c", "d"), of("e", "d2")}, 9)
	var keys []string
	for _, r := range rows {
		keys = append(keys, string(r.At))
	}
	if fmt.Sprint(keys) != "[a aa b]" || string(next) != "c" {
		t.Errorf("rows %v, next %q", keys, next)
	}
}

// TestMissingTasks has an instance go: ranges say what they lack, keys of it are refused.
func TestMissingTasks(t *testing.T) {
	c := fraudCluster(t, 3, "")
	c.servers[1].CloseClientConnections()
	c.servers[1].Close()
	got := c.get(t, 0, "/v1/state/keyvalues/velocity")
	if got.code != 200 || got.body["complete"] != false || got.header.Get("ETag") != "" ||
		fmt.Sprint(got.body["missing"]) != "[fraud-1]" || len(got.body["tasks"].([]any)) != 2 {
		t.Errorf("range: %d %s", got.code, got.text)
	}
	for _, u := range users(20) {
		_, p := c.of(u)
		if p != 1 {
			continue
		}
		got = c.get(t, 2, "/v1/state/keyvalue/velocity/"+u)
		if got.code != 503 || got.header.Get("Retry-After") == "" ||
			fmt.Sprint(got.body["missing"]) != "[fraud-1]" {
			t.Errorf("key: %d %s", got.code, got.text)
		}
		break
	}
	if got := c.get(t, 0, "/v1/tasks"); got.body["complete"] != false {
		t.Errorf("tasks: %s", got.text)
	}
}

// TestMovingTask looks for a task that nobody has at first.
func TestMovingTask(t *testing.T) {
	c := fraudCluster(t, 2, "")
	from, to := c.states[1], c.states[0]
	from.mu.Lock()
	task := from.tasks[1]
	delete(from.tasks, 1)
	from.mu.Unlock()
	arrived := make(chan struct{})
	go func() {
		defer close(arrived)
		time.Sleep(200 * time.Millisecond)
		to.mu.Lock()
		to.tasks[1] = task
		to.mu.Unlock()
		c.mu.Lock()
		c.owners[1] = c.options[0].Address
		c.mu.Unlock()
	}()
	got := c.get(t, 1, "/v1/state/keyvalues/velocity?task=fraud-1")
	<-arrived
	if got.code != 200 || got.body["complete"] != true || len(got.body["rows"].([]any)) == 0 {
		t.Errorf("%d %s", got.code, got.text)
	}
}

// TestNoCircles has the directory point two instances at each other for a task that neither has.
func TestNoCircles(t *testing.T) {
	c := fraudCluster(t, 2, "")
	c.states[1].mu.Lock()
	delete(c.states[1].tasks, 1)
	c.states[1].mu.Unlock()
	got := c.get(t, 0, "/v1/state/keyvalues/velocity?task=1")
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := int(gatherForOne/gatherRetry) + 1
	if got.code != 503 || c.hops > limit || c.hops == 0 {
		t.Errorf("%d with %d requests between instances, want at most %d", got.code, c.hops, limit)
	}
}

// TestMinEpoch waits for an epoch, here and on another instance, and gives up in time.
func TestMinEpoch(t *testing.T) {
	c := fraudCluster(t, 2, "")
	s, p := c.of("u01")
	_, pos, _ := s.find(p)
	want := pos.Epoch + 1
	path := fmt.Sprintf("/v1/state/keyvalue/velocity/u01?min-epoch=%d", want)
	for i := range 2 {
		got := c.get(t, i, path+"&wait=20ms")
		if got.code != http.StatusPreconditionFailed || !strings.Contains(got.text, "has not") {
			t.Errorf("instance %d, too early: %d %s", i, got.code, got.text)
		}
	}
	answers := make(chan reply, 4)
	for i := range 2 {
		go func() { answers <- c.get(t, i, path+"&wait=20s") }()
		go func() {
			answers <- c.get(t, i, fmt.Sprintf("/v1/state/keyvalues/velocity?wait=20s&min-epoch="+
				"fraud-%d:%d", p, want))
		}()
	}
	s.commit(t, p, put("velocity", str("u01"), `"new"`))
	for range 4 {
		if got := <-answers; got.code != 200 || !strings.Contains(got.text, `"value":"new"`) {
			t.Errorf("%d %s", got.code, got.text)
		}
	}
}

// TestETag answers 304 until an epoch is committed.
func TestETag(t *testing.T) {
	c := fraudCluster(t, 2, "")
	const path = "/v1/state/keyvalue/velocity/u01"
	tag := c.get(t, 0, path).header.Get("ETag")
	got := c.get(t, 1, path, "If-None-Match", `"x", `+tag)
	if tag == "" || got.code != 304 || got.text != "" || got.header.Get("ETag") != tag {
		t.Errorf("unchanged: %d %q tag %s", got.code, got.text, got.header.Get("ETag"))
	}
	c.set(t, "velocity", "u01", str("u01"), `2`)
	if got := c.get(t, 1, path, "If-None-Match", tag); got.code != 200 {
		t.Errorf("changed: %d", got.code)
	}
}

// TestToken refuses who has none, wherever it stands, and still reaches other instances.
func TestToken(t *testing.T) {
	c := fraudCluster(t, 2, "s3cret")
	for _, header := range []string{"", "Bearer", "Bearer wrong", "Basic s3cret", "s3cret",
		"Bearer s3cret2"} {
		for _, path := range []string{"/v1/tasks", "/openapi.yaml",
			"/v1/state/keyvalues/velocity"} {
			got := c.get(t, 0, path, "Authorization", header, hopHeader, "0")
			if got.code != 401 || got.header.Get("WWW-Authenticate") == "" ||
				strings.Contains(got.text, "u01") || strings.Contains(got.text, "s3cret") {
				t.Errorf("%q %s: %d %s", header, path, got.code, got.text)
			}
		}
	}
	got := c.get(t, 0, "/v1/state/keyvalues/velocity", "Authorization", "bearer s3cret")
	if got.code != 200 || got.body["complete"] != true {
		t.Errorf("with the token: %d %s", got.code, got.text)
	}
	if got := c.get(t, 0, "/ping"); got.code != 404 { // what is behind the guard has no /ping
		t.Errorf("an open path: %d", got.code)
	}
}

// TestGuards are those that every request passes.
func TestGuards(t *testing.T) {
	c := fraudCluster(t, 1, "")
	c.set(t, "velocity", "panic", str("panic"), `"panic"`)
	o := c.options[0]
	var told any
	o.Panicked = func(what any, _ []byte) { told = what }
	o.RequestsPerSecond = 3
	h, stop := New(o)
	defer stop()
	ask := func(method, path string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		for n := 0; n < len(headers); n += 2 {
			r.Header.Set(headers[n], headers[n+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	w := ask("GET", "/v1/state/keyvalue/velocity/panic", requestID, "mine")
	if w.Code != 500 || told != "told to" || w.Header().Get(requestID) != "mine" ||
		!strings.Contains(w.Body.String(), "request mine failed") {
		t.Errorf("panic: %d %s, told %v", w.Code, w.Body, told)
	}
	w = ask("GET", "/v1/state/keyvalues/velocity?prefix=u", "Accept-Encoding",
		"br, gzip;q=0.5", requestID, "a\nb")
	if w.Code != 200 || w.Header().Get("Content-Encoding") != "gzip" ||
		strings.Contains(w.Header().Get(requestID), "\n") {
		t.Errorf("gzip: %d %v", w.Code, w.Header())
	}
	if w = ask("POST", "/v1/tasks"); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
	if w = ask("GET", "/v1/tasks"); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("the fourth of three: %d", w.Code)
	}
}

// TestStarting has no instance yet.
func TestStarting(t *testing.T) {
	h, stop := New(Options{State: func() State { return nil }, Directory: &fakeCluster{}})
	defer stop()
	for _, path := range []string{"/v1/tasks", "/v1/state/instances", "/v1/funnel",
		"/v1/state/keyvalue/a/b"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestDirectory keeps what it knew while the group says nothing, and asks no more than it has to.
func TestDirectory(t *testing.T) {
	asked := 0
	var members []processor.Member
	var failure error
	d := NewDirectory(func(context.Context) ([]processor.Member, error) {
		asked++
		return members, failure
	}).(*groupDirectory)
	owner := func(p int32) string {
		at, ok := d.Owner(t.Context(), p)
		if !ok {
			at = "nobody"
		}
		return at
	}
	members = []processor.Member{{Instance: "a", Address: "h:1", Tasks: []int32{0}},
		{Instance: "b", Tasks: []int32{1}}}
	if owner(0) != "h:1" || owner(1) != "nobody" || owner(2) != "nobody" || asked != 1 {
		t.Errorf("%s %s %s after %d questions", owner(0), owner(1), owner(2), asked)
	}
	again := func() { d.Doubt(); d.asked = time.Now().Add(-2 * directoryPause) }
	again()
	members = []processor.Member{{Instance: "a", Address: "h:1"}}
	if owner(0) != "h:1" || asked != 2 {
		t.Errorf("while it rebalances: %s after %d questions", owner(0), asked)
	}
	again()
	failure = errors.New("down")
	if all, err := d.Instances(t.Context()); len(all) != 2 || err != nil || owner(0) != "h:1" {
		t.Errorf("while it is down: %v %v", all, err)
	}
	again()
	members = []processor.Member{{Instance: "c", Address: "h:3", Tasks: []int32{0, 1}}}
	failure = nil
	if owner(0) != "h:3" || owner(1) != "h:3" {
		t.Errorf("after a move: %s %s", owner(0), owner(1))
	}
}
