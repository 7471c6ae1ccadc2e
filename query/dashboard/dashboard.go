package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed assets
var embedded embed.FS

// policy lets the page load and ask what its own origin serves, and nothing else; no script and no
// style stands in the page itself.
const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'"

// kinds are the media types of what is embedded; http.ServeContent would ask the machine's tables.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	".md": "text/plain; charset=utf-8", "": "text/plain; charset=utf-8",
}

// asset is a file as it is sent.
type asset struct {
	kind   string
	tag    string
	plain  []byte
	packed []byte // gzip
}

// assets are the files by their URL path.
var assets = sync.OnceValue(func() map[string]asset {
	all := make(map[string]asset)
	_ = fs.WalkDir(embedded, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err // of what is embedded nothing fails
		}
		plain, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		_, _ = zip.Write(plain) // a buffer takes all
		_ = zip.Close()
		sum := sha256.Sum256(plain)
		all["/"+name] = asset{kinds[path.Ext(name)], fmt.Sprintf(`W/"%x"`, sum[:12]), plain,
			packed.Bytes()}
		return nil
	})
	all["/"] = all["/assets/index.html"]
	delete(all, "/assets/index.html") // it has one address
	return all
})

// Handler serves the page at / and what it is made of below /assets/. It needs no token: there is
// no data in it.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(w, r) {
			return
		}
		file, ok := assets()[r.URL.Path]
		if !ok {
			problem(w, http.StatusNotFound, fmt.Sprintf("there is no %.200q", r.URL.Path))
			return
		}
		file.serve(w, r)
	})
}

// reads refuses methods that change something.
func reads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	problem(w, http.StatusMethodNotAllowed, fmt.Sprintf("%s %.200s is not possible; use GET",
		r.Method, r.URL.Path))
	return false
}

// serve sends the file, unless the browser has this very one: it asks each time, so that a new
// binary is a new page at once.
func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	secure(h)
	h.Set("ETag", a.tag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	for one := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if one = strings.TrimSpace(one); one == a.tag || one == "*" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	body := a.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = a.packed
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", a.kind)
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the client may have gone
	}
}

// secure sets what keeps the page to itself.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

func problem(w http.ResponseWriter, status int, detail string) {
	body, err := json.Marshal(map[string]any{"type": "about:blank",
		"title": http.StatusText(status), "status": status, "detail": detail})
	if err != nil {
		body = []byte("{}") // unreachable: text and a number
	}
	secure(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may have gone
}
