package query

import (
	_ "embed"
	"net/http"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var openapi []byte

// asJSON is the description as JSON; it is fixed when the program is built, and a test reads it.
var asJSON = sync.OnceValues(func() (any, error) {
	var doc any
	err := yaml.Unmarshal(openapi, &doc)
	return doc, err
})

func answerYAML(w http.ResponseWriter, r *http.Request) {
	sendBytes(w, r, http.StatusOK, "application/yaml", openapi)
}

func answerJSON(w http.ResponseWriter, r *http.Request) {
	doc, err := asJSON()
	if err != nil {
		refuse(http.StatusInternalServerError, "%v", err).write(w, r) // a test reads it: never
		return
	}
	send(w, r, nil, http.StatusOK, "application/json", doc)
}
