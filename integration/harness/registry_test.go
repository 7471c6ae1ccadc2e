//go:build unix

package harness

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// register registers a schema and returns the status and the answer.
func register(t *testing.T, r *RegistryServer, subject, schema string) (int, string) {
	t.Helper()
	body := fmt.Sprintf(`{"schema":%q}`, schema)
	resp, err := http.Post(r.URL()+"/subjects/"+subject+"/versions",
		"application/vnd.schemaregistry.v1+json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, resp)
}

// lookup asks for a schema by the id in a registration's answer.
func lookup(t *testing.T, r *RegistryServer, registered string) (int, string) {
	t.Helper()
	var id int
	if _, err := fmt.Sscanf(registered, `{"id":%d}`, &id); err != nil {
		t.Fatalf("no id in %q: %v", registered, err)
	}
	resp, err := http.Get(fmt.Sprintf("%s/schemas/ids/%d", r.URL(), id))
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, resp)
}

// answer reads a response to its end.
func answer(t *testing.T, resp *http.Response) (int, string) {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// Schemas of a record v; the second demands a field that the first one's writers never wrote.
const (
	schemaOne = `{"type":"record","name":"v","fields":[{"name":"a","type":"long"}]}`
	schemaTwo = `{"type":"record","name":"v","fields":[{"name":"b","type":"long"}]}`
)

func TestRegistry(t *testing.T) {
	r := shared.Registry(t)
	subject := ID(t)
	status, id := register(t, r, subject, schemaOne)
	if status != http.StatusOK {
		t.Fatalf("register: status %d, %s", status, id)
	}
	if status, text := lookup(t, r, id); status != http.StatusOK ||
		!strings.Contains(text, "long") {
		t.Errorf("look up %s: status %d, %s", id, status, text)
	}
	req, err := http.NewRequest(http.MethodPut, r.URL()+"/config/"+subject,
		strings.NewReader(`{"compatibility":"BACKWARD"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if status, text := answer(t, resp); status != http.StatusOK {
		t.Fatalf("set compatibility: status %d, %s", status, text)
	}
	if status, text := register(t, r, subject, schemaTwo); status != http.StatusConflict {
		t.Errorf("register an incompatible schema: status %d, %s, want 409", status, text)
	}
}

func TestRegistryOutageLosesNothing(t *testing.T) {
	r := Registry(t)
	status, id := register(t, r, "kept", schemaOne)
	if status != http.StatusOK {
		t.Fatalf("register: status %d, %s", status, id)
	}
	r.Stop()
	if resp, err := http.Get(r.URL() + "/subjects"); err == nil {
		resp.Body.Close()
		t.Error("a stopped registry answers")
	}
	r.Start()
	if status, text := lookup(t, r, id); status != http.StatusOK ||
		!strings.Contains(text, "long") {
		t.Errorf("look up %s after the outage: status %d, %s", id, status, text)
	}
	if status, next := register(t, r, "new", schemaTwo); status != http.StatusOK || next == id {
		t.Errorf("register after the outage: status %d, %s; before it, %s", status, next, id)
	}
}
