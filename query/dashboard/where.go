package dashboard

import (
	"encoding/json"
	"net/http"
)

// Where tells the page which pipelines there are and where each answers.
type Where struct {
	Mode      string     `json:"mode"` // instance or demo
	Pipelines []Pipeline `json:"pipelines"`
	Demo      bool       `json:"demo"` // whether /demo/status, /demo/kill and /demo/verify exist
}

// Pipeline is one that can be asked at Base + "/v1/…" and Base + "/status".
type Pipeline struct {
	Name string `json:"name"`
	Base string `json:"base"`
}

// Instance is what an instance of a pipeline says: it is the only one, and answers here.
func Instance(pipeline string) Where {
	return Where{Mode: "instance", Pipelines: []Pipeline{{Name: pipeline}}}
}

// ServeHTTP answers /dashboard.json.
func (at Where) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !reads(w, r) {
		return
	}
	secure(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // another process may answer here next
	encoded, err := json.Marshal(at)
	if err != nil {
		encoded = []byte("{}") // unreachable: text alone
	}
	if r.Method == http.MethodGet {
		_, _ = w.Write(append(encoded, '\n')) // the client may have gone
	}
}
