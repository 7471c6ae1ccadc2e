package tidy

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	linkPattern    = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href|srcset)="([^"]+)"`)
	headingPattern = regexp.MustCompile(`^#{1,6} +(.*)$`)
	anchorPattern  = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
)

// prose calls fn with each line of a document that is no code block, without its code spans.
func prose(f *file, fn func(number int, line string)) {
	span := regexp.MustCompile("`[^`]*`")
	code := false
	for i, line := range f.lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			continue
		}
		if !code && !strings.HasPrefix(line, "    ") {
			fn(i+1, span.ReplaceAllString(line, "``"))
		}
	}
}

// anchors are what a link into a document may name: its headings, as GitHub spells them.
func anchors(f *file) []string {
	var list []string
	code := false
	for _, line := range f.lines {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if code {
			continue
		}
		for _, m := range anchorPattern.FindAllStringSubmatch(line, -1) {
			list = append(list, m[1])
		}
		if m := headingPattern.FindStringSubmatch(line); m != nil {
			list = append(list, slug(m[1], list))
		}
	}
	return list
}

// slug is a heading as GitHub makes an anchor of it; of two that are equal the second ends in -1.
func slug(heading string, taken []string) string {
	heading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	name := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.TrimSpace(heading))
	for n, plain := 1, name; slices.Contains(taken, name); n++ {
		name = plain + "-" + string(rune('0'+n))
	}
	return name
}

// TestSlug: anchors are GitHub's.
func TestSlug(t *testing.T) {
	for heading, want := range map[string]string{
		"The memory budget":         "the-memory-budget",
		"`pawl state` and its JSON": "pawl-state-and-its-json",
		"Upgrade: what, and how?":   "upgrade-what-and-how",
		"A [link](there.md) in it":  "a-link-in-it",
		"CPU / memory":              "cpu--memory",
	} {
		if got := slug(heading, nil); got != want {
			t.Errorf("%q: got %s, want %s", heading, got, want)
		}
	}
	if got := slug("Again", []string{"again"}); got != "again-1" {
		t.Errorf("second heading of a name: got %s, want again-1", got)
	}
}

// TestLinksLead: a relative link leads to a file or a folder, and its anchor to a heading of it.
// Links to other hosts are not followed.
func TestLinksLead(t *testing.T) {
	documents := make(map[string]*file)
	for _, f := range all(t) {
		if strings.HasSuffix(f.path, ".md") {
			documents[f.path] = f
		}
	}
	seen := 0
	for _, f := range documents {
		prose(f, func(number int, line string) {
			for _, m := range linkPattern.FindAllStringSubmatch(line, -1) {
				to, anchor, hasAnchor := strings.Cut(m[1]+m[2], "#")
				if strings.Contains(to, ":") { // another host, or mailto
					continue
				}
				seen++
				target := f.path
				if to != "" {
					target = path.Join(path.Dir(f.path), to)
				}
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
					broken(t, "link", f, number, "the link to %s leads nowhere", to)
					continue
				}
				d := documents[target]
				if hasAnchor && (d == nil || !slices.Contains(anchors(d), anchor)) {
					broken(t, "link", f, number, "%s has no heading for #%s", target, anchor)
				}
			}
		})
	}
	if seen < 100 {
		t.Errorf("only %d links were seen; mend linkPattern of this test", seen)
	}
}

// TestNamedPathsExist: what a document names in backquotes and looks like a path of the repository
// is there. A path begins with one of its folders; one with a placeholder in it is none.
func TestNamedPathsExist(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() && !foreign(e.Name()) {
			folders = append(folders, e.Name())
		}
	}
	named := regexp.MustCompile("`(?:\\./)?([a-z0-9.]+/[A-Za-z0-9_./@-]*)`")
	seen := 0
	for _, f := range all(t) {
		if !strings.HasSuffix(f.path, ".md") || f.path == "CHANGELOG.md" {
			continue
		}
		for i, line := range f.lines {
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				top, _, _ := strings.Cut(m[1], "/")
				if !slices.Contains(folders, top) || strings.HasSuffix(m[1], "...") {
					continue
				}
				seen++
				_, err := os.Stat(filepath.Join(root, filepath.FromSlash(m[1])))
				if err == nil {
					continue
				}
				if name := path.Base(m[1]); exportedIn(t, path.Dir(m[1]), name) {
					continue
				}
				broken(t, "named", f, i+1, "there is no %s", m[1])
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d paths were seen; mend the pattern of this test", seen)
	}
}

// exportedIn says whether a name such as processortest.Exactly stands for package's declaration.
func exportedIn(t *testing.T, above, name string) bool {
	t.Helper()
	pkg, declared, ok := strings.Cut(name, ".")
	if !ok {
		return false
	}
	for _, f := range packages(t)[path.Join(above, pkg)] {
		if f.syntax.Scope != nil && f.syntax.Scope.Lookup(declared) != nil {
			return true
		}
	}
	return false
}

// TestDocsAreReachable: whoever starts at README.md finds every page.
func TestDocsAreReachable(t *testing.T) {
	documents := make(map[string]*file)
	for _, f := range all(t) {
		if strings.HasSuffix(f.path, ".md") {
			documents[f.path] = f
		}
	}
	reached := map[string]bool{"README.md": true}
	for queue := []string{"README.md"}; len(queue) > 0; queue = queue[1:] {
		f := documents[queue[0]]
		prose(f, func(_ int, line string) {
			for _, m := range linkPattern.FindAllStringSubmatch(line, -1) {
				to, _, _ := strings.Cut(m[1], "#")
				to = path.Join(path.Dir(f.path), to)
				if documents[to] != nil && !reached[to] {
					reached[to] = true
					queue = append(queue, to)
				}
			}
		})
	}
	for name, f := range documents {
		if strings.HasPrefix(name, "docs/") && !reached[name] {
			broken(t, "link", f, 1, "no link leads here from README.md")
		}
		if path.Dir(name) == "docs" &&
			!strings.Contains(documents["README.md"].text, "("+name+")") {
			broken(t, "link", f, 1, "README.md does not link to it")
		}
	}
}
