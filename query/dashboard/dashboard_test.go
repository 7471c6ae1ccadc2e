package dashboard

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, method, at string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, at, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestHeaders: every answer, a refusal too, keeps the page to its own origin.
func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		h          http.Handler
		method, at string
		code       int
		kind       string
	}{
		{Handler(), "GET", "/", 200, "text/html; charset=utf-8"},
		{Handler(), "HEAD", "/", 200, "text/html; charset=utf-8"},
		{Handler(), "GET", "/assets/app.js", 200, "text/javascript; charset=utf-8"},
		{Handler(), "GET", "/assets/style.css", 200, "text/css; charset=utf-8"},
		{Handler(), "GET", "/assets/icon.svg", 200, "image/svg+xml"},
		{Handler(), "GET", "/assets/uplot/LICENSE", 200, "text/plain; charset=utf-8"},
		{Handler(), "GET", "/assets/", 404, "application/problem+json"},
		{Handler(), "GET", "/assets/index.html", 404, "application/problem+json"},
		{Handler(), "GET", "/assets/../doc.go", 404, "application/problem+json"},
		{Handler(), "POST", "/", 405, "application/problem+json"},
		{Instance("fraud"), "GET", "/dashboard.json", 200, "application/json"},
		{Instance("fraud"), "PUT", "/dashboard.json", 405, "application/problem+json"},
	} {
		r := get(t, c.h, c.method, c.at)
		if r.StatusCode != c.code || r.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s %s: %d %s; want %d %s", c.method, c.at, r.StatusCode,
				r.Header.Get("Content-Type"), c.code, c.kind)
		}
		csp := r.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'self';") || strings.Contains(csp, "unsafe") ||
			strings.Contains(csp, "http") || strings.Contains(csp, "*") {
			t.Errorf("%s %s: Content-Security-Policy %q", c.method, c.at, csp)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q; want %q", c.method, c.at, name, got, want)
			}
		}
		if text := body(t, r); c.method == "HEAD" && text != "" || c.method != "HEAD" && text == "" {
			t.Errorf("%s %s: a body of %d bytes", c.method, c.at, len(text))
		}
		if r.Header.Get("Cache-Control") == "" {
			t.Errorf("%s %s: no Cache-Control", c.method, c.at)
		}
	}
}

// TestUnchangedIsNotSent: what the browser has is asked for, not sent again.
func TestUnchangedIsNotSent(t *testing.T) {
	h := Handler()
	first := get(t, h, "GET", "/assets/app.js")
	tag := first.Header.Get("ETag")
	if tag == "" || first.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("ETag %q, Cache-Control %q", tag, first.Header.Get("Cache-Control"))
	}
	for given, code := range map[string]int{tag: 304, `"old", ` + tag: 304, `W/"other"`: 200} {
		r := get(t, h, "GET", "/assets/app.js", "If-None-Match", given)
		if r.StatusCode != code || (code == 304) != (body(t, r) == "") {
			t.Errorf("If-None-Match %s: %d; want %d", given, r.StatusCode, code)
		}
	}
	packed := get(t, h, "GET", "/assets/app.js", "Accept-Encoding", "br, gzip")
	zip, err := gzip.NewReader(packed.Body)
	if err != nil || packed.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("gzip: %v, Content-Encoding %q", err, packed.Header.Get("Content-Encoding"))
	}
	plain, err := io.ReadAll(zip)
	if err != nil || string(plain) != body(t, first) {
		t.Errorf("gzip holds %d other bytes: %v", len(plain), err)
	}
}

// texts are the assets by their path.
func texts(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := fs.WalkDir(embedded, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := embedded.ReadFile(name)
		all["/"+name] = string(b)
		return err
	})
	if err != nil || len(all) < 20 {
		t.Fatalf("%d assets: %v", len(all), err)
	}
	return all
}

// TestNoOtherHost: no asset names an address of another host, but SVG's name space and the line in
// which uPlot says where it is from.
func TestNoOtherHost(t *testing.T) {
	outside := regexp.MustCompile(`(?i)(\b[a-z][a-z0-9+.-]*:)?//[a-z0-9][^\s"'` + "`" + `)]*`)
	origin := "https://github.com/leeoniya/uPlot"
	for name, text := range texts(t) {
		if path.Base(name) == "LICENSE" || path.Ext(name) == ".md" {
			continue // nothing loads them
		}
		text = strings.Replace(text, "/*! "+origin+" (v1.6.32) */", "", 1)
		text = strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")
		for _, found := range outside.FindAllString(text, -1) {
			if !strings.HasPrefix(found, "//") { // a comment may begin with a word
				t.Errorf("%s names %s", name, found)
			}
		}
		if strings.Contains(text, "@import") || strings.Contains(text, "url(") {
			t.Errorf("%s loads something from a style sheet", name)
		}
	}
}

// TestReferencesExist: what the page and its modules load is there, and nothing else is.
func TestReferencesExist(t *testing.T) {
	all := texts(t)
	used := map[string]bool{"/assets/index.html": true, "/assets/uplot/LICENSE": true,
		"/assets/uplot/README.md": true}
	inPage := regexp.MustCompile(`(?:src|href)="(/[^"]*)"`)
	for _, m := range inPage.FindAllStringSubmatch(all["/assets/index.html"], -1) {
		used[m[1]] = true
	}
	imports := regexp.MustCompile(`(?m)^(?:import|export) [^;]*?from "([^"]+)"`)
	for name, text := range all {
		for _, m := range imports.FindAllStringSubmatch(text, -1) {
			used[path.Join(path.Dir(name), m[1])] = true
		}
	}
	for name := range used {
		if _, ok := all[name]; !ok {
			t.Errorf("%s is loaded and not there", name)
		}
	}
	for name := range all {
		if !used[name] {
			t.Errorf("%s is there and nothing loads it", name)
		}
	}
}

// TestNothingInline: the policy would refuse it, and the page be broken in silence.
func TestNothingInline(t *testing.T) {
	page := texts(t)["/assets/index.html"]
	for _, bad := range []string{`<script>`, `<style`, ` style="`, `javascript:`} {
		if strings.Contains(page, bad) {
			t.Errorf("index.html has %s", bad)
		}
	}
	if on := regexp.MustCompile(`\son[a-z]+="`).FindString(page); on != "" {
		t.Errorf("index.html has a listener%s", on)
	}
	for name, text := range texts(t) {
		if strings.HasPrefix(name, "/assets/uplot/") || path.Ext(name) != ".js" {
			continue
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "eval(",
			"document.write"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s uses %s: an answer could become markup", name, bad)
			}
		}
	}
}

// TestLicence: uPlot comes with the licence that allows it, and says which version it is.
func TestLicence(t *testing.T) {
	all := texts(t)
	if !strings.Contains(all["/assets/uplot/LICENSE"], "The MIT License") ||
		!strings.Contains(all["/assets/uplot/LICENSE"], "Leon Sorokin") {
		t.Error("uPlot's licence is not there")
	}
	version := regexp.MustCompile(`v(\d+\.\d+\.\d+)`).
		FindStringSubmatch(all["/assets/uplot/uPlot.iife.min.js"][:100])
	if version == nil || !strings.Contains(all["/assets/uplot/README.md"], "uPlot "+version[1]) {
		t.Errorf("README.md does not name the version that is there: %v", version)
	}
}

func TestWhere(t *testing.T) {
	r := get(t, Instance("fraud"), "GET", "/dashboard.json")
	want := `{"mode":"instance","pipelines":[{"name":"fraud","base":""}],"demo":false}` + "\n"
	if got := body(t, r); got != want || !json.Valid([]byte(got)) {
		t.Errorf("it says %s; want %s", got, want)
	}
}

// TestPagesAreThere: each route has a module, and the shell knows it.
func TestPagesAreThere(t *testing.T) {
	all := texts(t)
	for _, id := range []string{"overview", "graph", "fraud", "sensors", "pages", "activity",
		"funnel", "tasks", "checkpoints", "deadletters", "windows"} {
		if !strings.Contains(all["/assets/pages/"+id+".js"], "export function open(ctx)") ||
			!strings.Contains(all["/assets/app.js"], `{ id: "`+id+`"`) {
			t.Errorf("page %s is missing", id)
		}
	}
}
