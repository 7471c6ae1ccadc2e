package embedded

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"pawl/schemas"
)

// TestRegistryAPI is a conversation: each step is answered with a status and a part of the body.
func TestRegistryAPI(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	server := httptest.NewServer(newHandler(schemas.NewMemory(), file))
	defer server.Close()
	schema := func(text string) string { return fmt.Sprintf(`{"schema":%q}`, text) }
	for _, step := range []struct {
		request, body string
		status        int
		want          string
	}{
		{"GET /", "", 200, "{}"},
		{"GET /subjects", "", 200, "[]"},
		{"GET /subjects/s/versions", "", 404, `"error_code":40401`},
		{"GET /subjects/s/versions/latest", "", 404, "40401"},
		{"POST /subjects/s", schema(withInt), 404, "40401"},
		{"POST /subjects/s/versions", "{", 422, "42201"},
		{"POST /subjects/s/versions", schema("{"), 422, "42201"},
		{"POST /subjects/s/versions", `{"schema":"x","schemaType":"PROTOBUF"}`, 422, "only AVRO"},
		{"POST /subjects/s/versions", schema(withInt), 200, `{"id":1}`},
		{"POST /subjects/s/versions", schema(withInt), 200, `{"id":1}`},
		{"POST /subjects/t/versions", schema(withInt), 200, `{"id":1}`},
		{"POST /subjects/s/versions", schema(withString), 409, `"error_code":409`},
		{"POST /subjects/s", schema(withInt), 200, `"version":1`},
		{"POST /subjects/s", schema(withLong), 404, "40403"},
		{"POST /subjects/s/versions", schema(withLong), 200, `{"id":2}`},
		{"GET /subjects", "", 200, `["s","t"]`},
		{"GET /subjects/s/versions", "", 200, "[1,2]"},
		{"GET /subjects/s/versions/latest", "", 200, `"version":2`},
		{"GET /subjects/s/versions/1", "", 200, `"id":1`},
		{"GET /subjects/s/versions/3", "", 404, "40402"},
		{"GET /subjects/s/versions/none", "", 422, "42202"},
		{"GET /schemas/ids/1", "", 200, `\"int\"`},
		{"GET /schemas/ids/1/versions", "", 200, `[{"subject":"s","version":1},{"subject":"t"`},
		{"GET /schemas/ids/9", "", 404, "40403"},
		{"GET /schemas/ids/none", "", 404, "40403"},
		{"POST /compatibility/subjects/s/versions/latest", schema(withString), 200, "false"},
		{"POST /compatibility/subjects/s/versions/latest?verbose=true", schema(withString), 200,
			`x: long cannot be read as string`},
		{"POST /compatibility/subjects/s/versions/2", schema(withLong), 200, "true"},
		{"POST /compatibility/subjects/s/versions/7", schema(withLong), 404, "40402"},
		{"POST /compatibility/subjects/none/versions", schema(withLong), 200, "true"},
		{"GET /config", "", 200, `{"compatibilityLevel":"BACKWARD"}`},
		{"GET /config/s", "", 404, "40408"},
		{"GET /config/s?defaultToGlobal=true", "", 200, "BACKWARD"},
		{"PUT /config/s", `{"compatibility":"NONE"}`, 200, "NONE"},
		{"GET /config/s", "", 200, "NONE"},
		{"PUT /config", `{"compatibility":"SOME"}`, 422, "42203"},
		{"PUT /config", `{"compatibility":"FULL_TRANSITIVE"}`, 200, "FULL_TRANSITIVE"},
		{"POST /subjects/s/versions", schema(withString), 200, `{"id":3}`},
		{"POST /subjects/t/versions", schema(withLong), 409, "409"},
		{"DELETE /subjects/s", "", 200, "[1,2,3]"},
		{"DELETE /subjects/s", "", 404, "40401"},
		{"DELETE /subjects/s?permanent=true", "", 200, "[]"},
		{"GET /schemas/ids/3", "", 200, "string"},
		{"GET /nothing", "", 404, ""},
	} {
		status, body := converse(t, server, step.request, step.body)
		if status != step.status || !strings.Contains(body, step.want) {
			t.Errorf("%s: %d %s; want %d with %s", step.request, status, body, step.status,
				step.want)
		}
	}
}

// converse sends "METHOD path" with a body and returns the answer.
func converse(t *testing.T, server *httptest.Server, request, body string) (int, string) {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path,
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

func TestRegistryThatCannotSave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "no", "r.json")
	server := httptest.NewServer(newHandler(schemas.NewMemory(), file))
	defer server.Close()
	resp, err := server.Client().Post(server.URL+"/subjects/s/versions", "application/json",
		strings.NewReader(`{"schema":"\"int\""}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("an unsaved registration is answered with %d", resp.StatusCode)
	}
}
