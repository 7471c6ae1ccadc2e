package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"pawl/schemas"
)

// Error codes of the Confluent API.
const (
	codeNoSubject      = 40401
	codeNoVersion      = 40402
	codeNoSchema       = 40403
	codeNoSubjectLevel = 40408
	codeIncompatible   = 409
	codeBadSchema      = 42201
	codeBadVersion     = 42202
	codeBadLevel       = 42203
	codeStore          = 50001
)

// bodyMax bounds a request; Confluent's registry takes schemas of about this size too.
const bodyMax = 1 << 20

// apiError is an answer that is no success.
type apiError struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

// Error returns the message.
func (e *apiError) Error() string { return e.Message }

// failure returns an apiError; the HTTP status is the first three digits of code.
func failure(code int, format string, args ...any) error {
	return &apiError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// handler serves a Memory over HTTP. Changes are made one at a time and answered after they are
// saved.
type handler struct {
	memory *schemas.Memory
	file   string
	change sync.Mutex
}

// answerFunc answers a request with a value to print as JSON.
type answerFunc func(*http.Request) (any, error)

// newHandler returns the registry's HTTP API over memory, saved to file unless that is "".
func newHandler(memory *schemas.Memory, file string) http.Handler {
	h := &handler{memory: memory, file: file}
	const compatible = "POST /compatibility/subjects/{subject}/versions"
	mux := http.NewServeMux()
	for pattern, answer := range map[string]answerFunc{
		"GET /{$}":                                   h.root,
		"GET /subjects":                              h.subjects,
		"POST /subjects/{subject}":                   h.find,
		"DELETE /subjects/{subject}":                 h.changing(h.delete),
		"GET /subjects/{subject}/versions":           h.versions,
		"POST /subjects/{subject}/versions":          h.changing(h.register),
		"GET /subjects/{subject}/versions/{version}": h.version,
		"GET /schemas/ids/{id}":                      h.schema,
		"GET /schemas/ids/{id}/versions":             h.uses,
		compatible:                                   h.check,
		compatible + "/{version}":                    h.check,
		"GET /config":                                h.level,
		"GET /config/{subject}":                      h.level,
		"PUT /config":                                h.changing(h.setLevel),
		"PUT /config/{subject}":                      h.changing(h.setLevel),
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
			value, err := answer(r)
			respond(w, value, err)
		})
	}
	return mux
}

// respond writes an answer.
func respond(w http.ResponseWriter, value any, err error) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	if err != nil {
		var api *apiError
		if !errors.As(err, &api) {
			api = &apiError{Code: codeStore, Message: err.Error()}
		}
		status := api.Code
		for status > 999 {
			status /= 10
		}
		w.WriteHeader(status)
		value = api
	}
	_ = json.NewEncoder(w).Encode(value) // the client has gone, or everything went well
}

// changing saves after a change, one at a time.
func (h *handler) changing(change answerFunc) answerFunc {
	return func(r *http.Request) (any, error) {
		h.change.Lock()
		defer h.change.Unlock()
		value, err := change(r)
		if err != nil {
			return nil, err
		}
		return value, save(h.file, h.memory)
	}
}

// schemaBody reads a request's schema.
func schemaBody(r *http.Request) (string, error) {
	var body struct {
		Schema string `json:"schema"`
		Type   string `json:"schemaType"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return "", failure(codeBadSchema, "the request is no JSON: %v", err)
	}
	if body.Type != "" && body.Type != "AVRO" {
		return "", failure(codeBadSchema, "schema type %s is not supported, only AVRO", body.Type)
	}
	if _, err := schemas.Parse(body.Schema); err != nil {
		return "", failure(codeBadSchema, "Invalid schema: %v", err)
	}
	return body.Schema, nil
}

// root answers that there is a registry.
func (h *handler) root(*http.Request) (any, error) { return struct{}{}, nil }

// subjects lists the subjects.
func (h *handler) subjects(*http.Request) (any, error) {
	return append([]string{}, h.memory.Subjects()...), nil
}

// find answers with the version that a schema is registered as.
func (h *handler) find(r *http.Request) (any, error) {
	subject := r.PathValue("subject")
	schema, err := schemaBody(r)
	if err != nil {
		return nil, err
	}
	if len(h.memory.Versions(subject)) == 0 {
		return nil, failure(codeNoSubject, "Subject '%s' not found.", subject)
	}
	found, err := h.memory.Find(subject, schema)
	if err != nil {
		return nil, failure(codeNoSchema, "Schema not found")
	}
	return found, nil
}

// register registers a schema, or finds it.
func (h *handler) register(r *http.Request) (any, error) {
	schema, err := schemaBody(r)
	if err != nil {
		return nil, err
	}
	subject := r.PathValue("subject")
	id, err := h.memory.Register(r.Context(), subject, schema)
	var incompatible *schemas.IncompatibleError
	if errors.As(err, &incompatible) {
		return nil, failure(codeIncompatible, "Schema being registered is incompatible with an "+
			"earlier schema for subject \"%s\", details: [%s]", subject, incompatible.Reason)
	}
	return map[string]int32{"id": id}, err
}

// delete removes a subject. Deleting it for good a second time has nothing left to do.
func (h *handler) delete(r *http.Request) (any, error) {
	numbers, err := h.memory.Delete(r.PathValue("subject"))
	if err != nil && r.URL.Query().Get("permanent") != "true" {
		return nil, failure(codeNoSubject, "Subject '%s' not found.", r.PathValue("subject"))
	}
	return append([]int{}, numbers...), nil
}

// versions lists the numbers of a subject's versions.
func (h *handler) versions(r *http.Request) (any, error) {
	var numbers []int
	for _, v := range h.memory.Versions(r.PathValue("subject")) {
		numbers = append(numbers, v.Number)
	}
	if len(numbers) == 0 {
		return nil, failure(codeNoSubject, "Subject '%s' not found.", r.PathValue("subject"))
	}
	return numbers, nil
}

// version answers with one version of a subject.
func (h *handler) version(r *http.Request) (any, error) {
	number, err := versionNumber(r)
	if err != nil {
		return nil, err
	}
	all := h.memory.Versions(r.PathValue("subject"))
	if len(all) == 0 {
		return nil, failure(codeNoSubject, "Subject '%s' not found.", r.PathValue("subject"))
	}
	if number == 0 {
		return all[len(all)-1], nil
	}
	for _, v := range all {
		if v.Number == number {
			return v, nil
		}
	}
	return nil, failure(codeNoVersion, "Version %d not found.", number)
}

// versionNumber returns the version in a request's path, 0 for the latest.
func versionNumber(r *http.Request) (int, error) {
	text := r.PathValue("version")
	if text == "latest" || text == "-1" {
		return 0, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return 0, failure(codeBadVersion, "The specified version '%s' is not a valid version id. "+
			"Use a number above 0 or \"latest\".", text)
	}
	return number, nil
}

// schema answers with the text of an id.
func (h *handler) schema(r *http.Request) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 32)
	if err == nil {
		var text string
		if text, err = h.memory.Schema(r.Context(), int32(id)); err == nil {
			return map[string]string{"schema": text}, nil
		}
	}
	return nil, failure(codeNoSchema, "Schema %s not found", r.PathValue("id"))
}

// uses lists the subjects and versions that an id stands under.
func (h *handler) uses(r *http.Request) (any, error) {
	if _, err := h.schema(r); err != nil {
		return nil, err
	}
	uses := []map[string]any{}
	for _, subject := range h.memory.Subjects() {
		for _, v := range h.memory.Versions(subject) {
			if strconv.Itoa(int(v.ID)) == r.PathValue("id") {
				uses = append(uses, map[string]any{"subject": subject, "version": v.Number})
			}
		}
	}
	return uses, nil
}

// check answers whether a schema could be registered. Without a version, or for the latest, it is
// what registering would do.
func (h *handler) check(r *http.Request) (any, error) {
	schema, err := schemaBody(r)
	if err != nil {
		return nil, err
	}
	number := 0
	if r.PathValue("version") != "" {
		if number, err = versionNumber(r); err != nil {
			return nil, err
		}
		if _, err := h.version(r); err != nil {
			return nil, err
		}
	}
	reasons, err := h.memory.Check(r.PathValue("subject"), schema, number)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"is_compatible": len(reasons) == 0}
	if r.URL.Query().Get("verbose") == "true" {
		answer["messages"] = append([]string{}, reasons...)
	}
	return answer, nil
}

// level answers with the compatibility level of a subject or of the registry.
func (h *handler) level(r *http.Request) (any, error) {
	subject := r.PathValue("subject")
	level, own := h.memory.Level(subject)
	if !own && r.URL.Query().Get("defaultToGlobal") != "true" {
		return nil, failure(codeNoSubjectLevel,
			"Subject '%s' does not have subject-level compatibility configured", subject)
	}
	return map[string]string{"compatibilityLevel": level}, nil
}

// setLevel sets the compatibility level of a subject or of the registry.
func (h *handler) setLevel(r *http.Request) (any, error) {
	var body struct {
		Level string `json:"compatibility"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, failure(codeBadLevel, "the request is no JSON: %v", err)
	}
	if err := h.memory.SetLevel(r.PathValue("subject"), body.Level); err != nil {
		return nil, failure(codeBadLevel, "Invalid compatibility level: %v", err)
	}
	return map[string]string{"compatibility": body.Level}, nil
}
