package query

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"

	"golang.org/x/time/rate"
)

// requestID is the header that a client may name its request with, and that every answer has.
const requestID = "X-Request-Id"

// Guard lets requests pass that carry the token, and those of the open paths; without a token all.
func Guard(token string, next http.Handler, open ...string) http.Handler {
	if token == "" {
		return next
	}
	want := sha256.Sum256([]byte(token)) // of one length, so that comparing takes one time
	free := make(map[string]bool)
	for _, path := range open {
		free[path] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(given)))
		right := subtle.ConstantTimeCompare(got[:], want[:]) == 1
		if free[r.URL.Path] || right && strings.EqualFold(scheme, "Bearer") {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="pawl"`)
		refuse(http.StatusUnauthorized, "%s needs the header Authorization: Bearer TOKEN with the "+
			"token that api.token sets", r.URL.Path).write(w, r)
	})
}

// identified gives each request an id.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestID)
		if !validID(id) {
			var raw [8]byte
			_, _ = rand.Read(raw[:]) // never fails
			id = hex.EncodeToString(raw[:])
			r.Header.Set(requestID, id)
		}
		w.Header().Set(requestID, id)
		next.ServeHTTP(w, r)
	})
}

// validID accepts what can stand in a log line.
func validID(id string) bool {
	bad := func(c rune) bool { return c <= ' ' || c > '~' }
	return id != "" && len(id) <= 128 && strings.IndexFunc(id, bad) < 0
}

// limited answers 429 above so many requests per second; what other instances ask is counted apart,
// or one client could make the cluster refuse itself. 0 means no limit.
func limited(perSecond float64, next http.Handler) http.Handler {
	if perSecond <= 0 {
		return next
	}
	burst := max(int(perSecond), 1)
	outside := rate.NewLimiter(rate.Limit(perSecond), burst)
	inside := rate.NewLimiter(rate.Limit(perSecond), burst)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limiter := outside
		if hopped(r) {
			limiter = inside
		}
		if !limiter.Allow() {
			p := refuse(http.StatusTooManyRequests, "more than %g requests a second "+
				"(http.rate.limit); ask again later", perSecond)
			p.RetryIn = 1
			p.write(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
