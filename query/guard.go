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

// Access says who may ask.
type Access struct {
	// Token, when set, is what requests must carry.
	Token string
	// ReadOnly, when set, is a second token, with which nothing can be changed. It is for a Token
	// that is set.
	ReadOnly string
	// Certificates demands a client certificate, which TLS has verified when there is one.
	Certificates bool
}

// Guard lets requests pass that carry what access demands, and those of the open paths. It names
// every request.
func Guard(access Access, next http.Handler, open ...string) http.Handler {
	if access.Token == "" && !access.Certificates {
		return identified(next)
	}
	full, reader := sum(access.Token), sum(access.ReadOnly)
	free := make(map[string]bool)
	for _, path := range open {
		free[path] = true
	}
	return identified(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if free[r.URL.Path] {
			next.ServeHTTP(w, r)
			return
		}
		if access.Certificates && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0) {
			refuse(http.StatusUnauthorized, "%.200s needs a client certificate that is signed by "+
				"what api.tls.client.ca holds", r.URL.Path).write(w, r)
			return
		}
		given := bearerOf(r)
		may := access.Token == "" || same(given, full)
		reads := access.ReadOnly != "" && same(given, reader)
		switch {
		case may || reads && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			next.ServeHTTP(w, r)
		case reads:
			refuse(http.StatusForbidden, "%.20s needs the token that api.token sets; the one of "+
				"api.readonly.token is for GET and HEAD", r.Method).write(w, r)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="pawl"`)
			refuse(http.StatusUnauthorized, "%.200s needs the header Authorization: Bearer TOKEN "+
				"with the token that api.token sets", r.URL.Path).write(w, r)
		}
	}))
}

// sum makes tokens of one length, so that comparing takes one time.
func sum(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

func same(given string, want [sha256.Size]byte) bool {
	got := sum(given)
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// bearerOf is the token that a request carries, "" for none.
func bearerOf(r *http.Request) string {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(given)
}

// identified gives each request an id.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestID)
		if w.Header().Get(requestID) != "" && id != "" {
			next.ServeHTTP(w, r) // it has passed here before
			return
		}
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
