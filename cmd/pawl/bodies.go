package main

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	bodyMax = 1 << 20          // bytes of a request's body
	bodyFor = 15 * time.Second // how long it may take
)

// boundBodies lets nobody keep a handler, or the server after it, waiting for a request's body.
// Requests without one, such as those for a stream of events, are not touched.
func boundBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			clock := http.NewResponseController(w)
			// Not every writer has a deadline; the server's have.
			_ = clock.SetReadDeadline(time.Now().Add(bodyFor))
			r.Body = &timedBody{http.MaxBytesReader(w, r.Body, bodyMax), clock}
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody lifts the deadline once it is read: what the handler does then may take longer.
type timedBody struct {
	io.ReadCloser
	clock *http.ResponseController
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.clock.SetReadDeadline(time.Time{})
	}
	return n, err
}
