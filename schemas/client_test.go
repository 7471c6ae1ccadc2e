package schemas_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pawl/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer is one scripted answer of a registry.
type answer struct {
	status int
	body   string
}

// script serves answers in order and returns what was asked for.
func script(t *testing.T, answers ...answer) (schemas.ClientConfig, *[]string) {
	t.Helper()
	asked := new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.URL.EscapedPath())
		if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
			t.Errorf("asked as %q with %q", user, password)
		}
		next := answer{500, `{"error_code":50001,"message":"no answer left"}`}
		if n := len(*asked); n <= len(answers) {
			next = answers[n-1]
		}
		w.WriteHeader(next.status)
		fmt.Fprint(w, next.body)
	}))
	t.Cleanup(server.Close)
	return schemas.ClientConfig{URL: server.URL + "/apis/ccompat/v6", User: "u", Password: "p",
		Timeout: 5 * time.Second, Backoff: time.Millisecond}, asked
}

func TestClientErrors(t *testing.T) {
	found := answer{200, `{"id":4,"subject":"s","version":1,"schema":"\"int\""}`}
	down := answer{503, "starting"}
	for _, tc := range []struct {
		name     string
		answers  []answer
		register bool
		asked    int
		check    func(id int32, err error) bool
	}{
		{"recovers", []answer{down, {429, ""}, found}, false, 3,
			func(id int32, err error) bool { return id == 4 && err == nil }},
		{"stays down", []answer{down, down, down, down}, false, 4,
			func(_ int32, err error) bool {
				return err != nil && !errors.Is(err, schemas.ErrNotFound)
			}},
		{"half an answer, then a whole one", []answer{{200, `{"id":`}, found}, false, 2,
			func(id int32, err error) bool { return id == 4 && err == nil }},
		{"says that it has no such subject",
			[]answer{{404, `{"error_code":40401,"message":"no"}`}}, false, 1,
			func(_ int32, err error) bool { return errors.Is(err, schemas.ErrNotFound) }},
		{"a bare 404 is a wrong address, not an answer", []answer{{404, "<html>"}}, false, 1,
			func(_ int32, err error) bool {
				return err != nil && !errors.Is(err, schemas.ErrNotFound) &&
					strings.Contains(err.Error(), "404")
			}},
		{"a 404 of the server below",
			[]answer{{404, `{"error_code":404,"message":"no path"}`}}, false, 1,
			func(_ int32, err error) bool {
				return err != nil && !errors.Is(err, schemas.ErrNotFound)
			}},
		{"not allowed", []answer{{401, `{"error_code":401,"message":"who?"}`}}, false, 1,
			func(_ int32, err error) bool { return strings.Contains(err.Error(), "who?") }},
		{"no id", []answer{{200, `{}`}}, false, 1,
			func(_ int32, err error) bool { return strings.Contains(err.Error(), "schema id 0") }},
		{"registered by another at the same time",
			[]answer{{409, `{"error_code":0,"message":"already exists"}`}, found}, true, 2,
			func(id int32, err error) bool { return id == 4 && err == nil }},
		{"another schema first at the same time",
			[]answer{{409, `{"error_code":0,"message":"already exists"}`},
				{404, `{"error_code":40403,"message":"no"}`}, found, found}, true, 4,
			func(id int32, err error) bool { return id == 4 && err == nil }},
		{"incompatible", []answer{{409, `{"error_code":409,"message":"field x"}`},
			{404, `{"error_code":40403,"message":"no"}`}}, true, 2,
			func(_ int32, err error) bool {
				var refused *schemas.IncompatibleError
				return errors.As(err, &refused) && refused.Reason == "field x" &&
					refused.Subject == "s/é"
			}},
	} {
		cfg, asked := script(t, tc.answers...)
		client := schemas.NewClient(cfg)
		call := client.Lookup
		if tc.register {
			call = client.Register
		}
		id, err := call(t.Context(), "s/é", `"int"`)
		if !tc.check(id, err) || len(*asked) != tc.asked {
			t.Errorf("%s: %d, %v after %v", tc.name, id, err, *asked)
		}
		if err != nil && (!strings.Contains(err.Error(), cfg.URL) ||
			!strings.Contains(err.Error(), "s/é")) {
			t.Errorf("%s: %v names no address and subject", tc.name, err)
		}
		if !strings.HasPrefix((*asked)[0], "POST /apis/ccompat/v6/subjects/s%2F%C3%A9") {
			t.Errorf("%s: asked %v", tc.name, *asked)
		}
	}
}

func TestClientEndsWithItsContext(t *testing.T) {
	down := answer{503, ""}
	cfg, _ := script(t, down, down, down, down, down, down)
	cfg.Backoff, cfg.Attempts = time.Hour, 100
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := schemas.NewClient(cfg).Schema(ctx, 1)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "id 1") {
		t.Errorf("after the context ended: %v", err)
	}
}

// TestClientAgainstRegistry runs against the registry at PAWL_TEST_REGISTRY, if that is set.
func TestClientAgainstRegistry(t *testing.T) {
	url := os.Getenv("PAWL_TEST_REGISTRY")
	if url == "" {
		t.Skip("PAWL_TEST_REGISTRY is not set")
	}
	reg, ctx := schemas.NewClient(schemas.ClientConfig{URL: url}), t.Context()
	subject := fmt.Sprintf("pawl-test-%d-value", time.Now().UnixNano())
	first := `{"type":"record","name":"a.R","fields":[{"name":"x","type":"int"}]}`
	if _, err := reg.Lookup(ctx, subject, first); !errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("look-up before: %v", err)
	}
	const together = 6
	ids, errs := make(chan int32, together), make(chan error, together)
	for range together {
		go func() {
			id, err := reg.Register(ctx, subject, first)
			ids <- id
			errs <- err
		}()
	}
	id := <-ids
	for range together - 1 {
		if other := <-ids; other != id {
			t.Errorf("registered together as %d and %d", id, other)
		}
	}
	for range together {
		if err := <-errs; err != nil {
			t.Errorf("registered together: %v", err)
		}
	}
	if text, err := reg.Schema(ctx, id); err != nil || !strings.Contains(text, "a.R") {
		t.Errorf("schema: %s, %v", text, err)
	}
	if _, err := reg.Schema(ctx, 1<<30); !errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("unknown id: %v", err)
	}
	var refused *schemas.IncompatibleError
	_, err := reg.Register(ctx, subject, strings.Replace(first, `"int"`, `"string"`, 1))
	if err != nil && !errors.As(err, &refused) { // its level may be NONE
		t.Errorf("incompatible: %v", err)
	}
}
