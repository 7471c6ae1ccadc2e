package devices_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pawl/pipelines/iot/devices"
	schema "pawl/schemas/iot"
)

// served returns a running service and a client of it.
func served(t *testing.T, timeout time.Duration) (*devices.Service, *devices.Client, string) {
	t.Helper()
	s := devices.NewService()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c, err := devices.NewClient(devices.ClientConfig{URL: srv.URL + "/", Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return s, c, srv.URL
}

// post sends a knob's setting and returns the answer's status.
func post(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// TestDevices draws devices: the same for the same id, all kinds, about one in 64 unknown.
func TestDevices(t *testing.T) {
	t.Parallel()
	models, sites := make(map[string]int), make(map[string]int)
	unknown := 0
	for n := range 10_000 {
		id := fmt.Sprintf("sensor-%06d", n)
		d, known := devices.Of(id)
		again, _ := devices.Of(id)
		if d != again || known == (d == schema.Device{}) {
			t.Fatalf("%s: %+v, then %+v", id, d, again)
		}
		if !known {
			unknown++
			continue
		}
		models[d.Model]++
		sites[d.Site]++
	}
	if unknown < 100 || unknown > 220 || len(models) != 5 || len(sites) != 8 {
		t.Errorf("%d unknown, models %v, sites %v", unknown, models, sites)
	}
}

// TestGet asks for devices with easy and with odd ids.
func TestGet(t *testing.T) {
	t.Parallel()
	s, c, _ := served(t, time.Minute)
	ids := []string{"a/b", "a b", "ü", "a%2Fb", "a?b#c", "a//b", "+", "../x", "", ".", "..", "a\nb",
		"\xff", strings.Repeat("x", 200), strings.Repeat("x", 201)}
	for n := range 300 {
		ids = append(ids, fmt.Sprintf("sensor-%06d", n))
	}
	for _, id := range ids {
		want, known := devices.Of(id)
		got, err := c.Get(context.Background(), id)
		if known && (err != nil || got != want) {
			t.Errorf("%.20q: %+v, %v; want %+v", id, got, err, want)
		}
		if !known && !devices.Permanent(err) {
			t.Errorf("%.20q: %+v, %v; want a permanent error", id, got, err)
		}
		if d, found, err := c.Find(context.Background(), id); d != want || found != known ||
			err != nil {
			t.Errorf("find %.20q: %+v, %v, %v; want %+v, %v", id, d, found, err, want, known)
		}
	}
	if asked := s.Asked(); asked < 300 {
		t.Errorf("the service was asked %d times", asked)
	}
}

// status is the status of err's answer.
func status(err error) int {
	var e *devices.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return -1
}

// someIDs returns the id of a sensor that has a device, and of one that has none.
func someIDs(t *testing.T) (known, unknown string) {
	t.Helper()
	for n := range 10_000 {
		id := fmt.Sprintf("sensor-%06d", n)
		if _, ok := devices.Of(id); ok {
			known = id
		} else {
			unknown = id
		}
	}
	if known == "" || unknown == "" {
		t.Fatalf("all sensors are alike: %q has a device, %q has none", known, unknown)
	}
	return known, unknown
}

// TestErrors tells errors that last from those that pass.
func TestErrors(t *testing.T) {
	t.Parallel()
	s, c, url := served(t, time.Minute)
	ctx := context.Background()
	known, unknown := someIDs(t)
	if _, err := c.Get(ctx, unknown); status(err) != 404 || !devices.Permanent(err) ||
		!strings.Contains(err.Error(), unknown) {
		t.Errorf("unknown device: %v", err)
	}
	if _, err := c.Get(ctx, "a\nb"); status(err) != 400 || !devices.Permanent(err) {
		t.Errorf("no id: %v", err)
	}
	if code := post(t, url+"/down?on=true"); code != http.StatusNoContent {
		t.Errorf("POST /down: status %d", code)
	}
	for _, id := range []string{known, unknown} {
		if _, err := c.Get(ctx, id); status(err) != 503 || devices.Permanent(err) {
			t.Errorf("%s while down: %v", id, err)
		}
		if _, found, err := c.Find(ctx, id); found || status(err) != 503 {
			t.Errorf("find %s while down: %v, %v", id, found, err)
		}
	}
	s.SetDown(false)
	if _, err := c.Get(ctx, known); err != nil {
		t.Errorf("up again: %v", err)
	}
	gone, err := devices.NewClient(devices.ClientConfig{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Get(ctx, known); status(err) != 0 || devices.Permanent(err) {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestSlow runs into the client's limit, and gives up with the context.
func TestSlow(t *testing.T) {
	t.Parallel()
	_, c, url := served(t, 30*time.Millisecond)
	known, _ := someIDs(t)
	if code := post(t, url+"/slow?d=30m"); code != http.StatusNoContent {
		t.Errorf("POST /slow: status %d", code)
	}
	_, err := c.Get(context.Background(), known)
	if status(err) != 0 || devices.Permanent(err) || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "no answer within 30ms") {
		t.Errorf("slow service: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Get(ctx, known); devices.Permanent(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestSlowButInTime waits for the answer.
func TestSlowButInTime(t *testing.T) {
	t.Parallel()
	s, c, _ := served(t, time.Minute)
	known, _ := someIDs(t)
	const d = 50 * time.Millisecond
	s.SetSlow(d)
	began := time.Now()
	if _, err := c.Get(context.Background(), known); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < d {
		t.Errorf("the answer took %v, want %v or more", took, d)
	}
}

// TestKnobsRefuse gives the knobs what they do not take.
func TestKnobsRefuse(t *testing.T) {
	t.Parallel()
	_, _, url := served(t, time.Minute)
	for _, query := range []string{"/slow", "/slow?d=x", "/slow?d=-1s", "/slow?d=2h", "/down",
		"/down?on=perhaps"} {
		if code := post(t, url+query); code != http.StatusBadRequest {
			t.Errorf("POST %s: status %d", query, code)
		}
	}
}

// TestOddAnswers come from something else than the service.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]int{"<html>": 200, "{}": 200, "": 200, "busy": 429,
		"who are you": 401, "oh": 500} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		}))
		c, err := devices.NewClient(devices.ClientConfig{URL: srv.URL})
		if err != nil {
			t.Fatal(err)
		}
		d, err := c.Get(context.Background(), "sensor-1")
		if status(err) != code || devices.Permanent(err) || d != (schema.Device{}) {
			t.Errorf("answer %d %q: %+v, %v", code, body, d, err)
		}
		srv.Close()
	}
}

// TestBadURL is refused before anything is sent.
func TestBadURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "localhost:80", "ftp://x", "http://", "http://[::1"} {
		if _, err := devices.NewClient(devices.ClientConfig{URL: url}); err == nil ||
			!strings.Contains(err.Error(), "give http://host:port") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func ExampleOf() {
	d, known := devices.Of("sensor-000001")
	fmt.Println(d.Model, d.Firmware, d.Site, known)
	// Output:
	// TH-100 1.7.7 Tartu true
}
