package schemas_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/internal/embedded"
	"pawl/schemas"
)

// TestAdmin sees the versions and levels of a registry over HTTP.
func TestAdmin(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	testAdmin(t, schemas.NewAdmin(schemas.ClientConfig{URL: cluster.RegistryURL()}))
}

func testAdmin(t *testing.T, admin *schemas.Admin) {
	t.Helper()
	ctx := t.Context()
	const first = `{"type":"record","name":"a.R","fields":[{"name":"x","type":"int"}]}`
	wider := strings.Replace(first, `"int"`, `"long"`, 1)
	text := strings.Replace(first, `"int"`, `"string"`, 1)
	if all, err := admin.Versions(ctx, "s-value"); err != nil || len(all) != 0 {
		t.Errorf("versions before: %v, %v", all, err)
	}
	if ok, err := admin.Accepts(ctx, "s-value", first); err != nil || !ok {
		t.Errorf("the first version is not accepted: %v", err)
	}
	for _, schema := range []string{first, wider} {
		if _, err := admin.Register(ctx, "s-value", schema); err != nil {
			t.Fatal(err)
		}
	}
	all, err := admin.Versions(ctx, "s-value")
	if err != nil || len(all) != 2 || all[1].Number != 2 ||
		!strings.Contains(all[0].Schema, "int") {
		t.Fatalf("versions: %+v, %v", all, err)
	}
	v, err := admin.Find(ctx, "s-value", wider)
	if err != nil || v.Number != 2 || v.ID != all[1].ID {
		t.Errorf("found %+v, %v", v, err)
	}
	if _, err := admin.Find(ctx, "s-value", text); !errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("found what is not there: %v", err)
	}
	if _, err := admin.Version(ctx, "s-value", 9); !errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("version 9: %v", err)
	}
	if names, err := admin.Subjects(ctx); err != nil || !slices.Contains(names, "s-value") {
		t.Errorf("subjects %v, %v", names, err)
	}
	if level, own, err := admin.Level(ctx, "s-value"); err != nil || own || level == "" {
		t.Errorf("level %s, own %v, %v", level, own, err)
	}
	if err := admin.SetLevel(ctx, "s-value", "FULL"); err != nil {
		t.Fatal(err)
	}
	if level, own, err := admin.Level(ctx, "s-value"); err != nil || !own || level != "FULL" {
		t.Errorf("after it was set: level %s, own %v, %v", level, own, err)
	}
	if ok, err := admin.Accepts(ctx, "s-value", text); err != nil || ok {
		t.Errorf("a clash is accepted: %v", err)
	}
	if admin.SetLevel(ctx, "s-value", "SOME") == nil {
		t.Error("an unknown level was taken")
	}
}

// TestClientWritesReferencesOut: a schema made of other subjects' types is whole.
func TestClientWritesReferencesOut(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"/schemas/ids/7": `{"schema":"{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",` +
			`\"fields\":[{\"name\":\"by\",\"type\":\"Customer\"},{\"name\":\"to\",` +
			`\"type\":[\"null\",\"shop.Customer\"]},{\"name\":\"n\",\"type\":\"int\"}]}",` +
			`"references":[{"name":"shop.Customer","subject":"customer","version":2}]}`,
		"/subjects/customer/versions/2": `{"id":3,"version":2,"schema":"{\"type\":\"record\",` +
			`\"name\":\"shop.Customer\",\"fields\":[{\"name\":\"at\",\"type\":\"geo.Place\"}]}",` +
			`"references":[{"name":"geo.Place","subject":"place","version":1}]}`,
		"/subjects/place/versions/1": `{"id":2,"version":1,"schema":"{\"type\":\"enum\",` +
			`\"name\":\"Place\",\"namespace\":\"geo\",\"symbols\":[\"A\"]}"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, answers[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	client := schemas.NewClient(schemas.ClientConfig{URL: server.URL, Attempts: 1})
	text, err := client.Schema(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := schemas.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	want, err := schemas.Parse(`{"type":"record","name":"shop.Order","fields":[
		{"name":"by","type":{"type":"record","name":"shop.Customer","fields":[
			{"name":"at","type":{"type":"enum","name":"geo.Place","symbols":["A"]}}]}},
		{"name":"to","type":["null","shop.Customer"]},{"name":"n","type":"int"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if schemas.Fingerprint(whole) != schemas.Fingerprint(want) {
		t.Errorf("got %s", text)
	}
}

// TestClientOverTLS: an authority of its own, and a token that changes.
func TestClientOverTLS(t *testing.T) {
	t.Parallel()
	var token string
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error_code":401,"message":"who?"}`)
			return
		}
		fmt.Fprint(w, `{"schema":"\"int\""}`)
	}))
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	own := "one"
	cfg := schemas.ClientConfig{URL: server.URL, Backoff: time.Millisecond,
		Bearer: func() (string, error) { return own, nil }}
	token = "one"
	if _, err := schemas.NewClient(cfg).Schema(t.Context(), 1); !errors.Is(err, schemas.ErrDenied) {
		t.Errorf("a certificate of nobody we know: %v", err)
	}
	cfg.TLS = func() (*tls.Config, error) { return &tls.Config{RootCAs: pool}, nil }
	client := schemas.NewClient(cfg)
	if text, err := client.Schema(t.Context(), 1); err != nil || text != `"int"` {
		t.Errorf("with its authority: %s, %v", text, err)
	}
	token, asked = "two", 0
	if _, err := client.Schema(t.Context(), 1); !errors.Is(err, schemas.ErrDenied) || asked != 1 {
		t.Errorf("with the token of yesterday, asked %d times: %v", asked, err)
	}
	own = "two"
	if _, err := client.Schema(t.Context(), 1); err != nil {
		t.Errorf("with the token of today: %v", err)
	}
}
