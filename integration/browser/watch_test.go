package browser

import (
	"context"
	_ "embed" // of the stub
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/stub.html
var stub string

// TestWatchBites: a page without fault has none, and each fault is found and told. Without this,
// the tests of the dashboard would say nothing by passing.
func TestWatchBites(t *testing.T) {
	browser := shared.chromium(t)
	const end = "<!--here-->"
	dark, phone := look{"dark", "desktop"}, look{"light", "phone"}
	for _, c := range []struct {
		name     string
		look     look
		old, new string // what the stub is changed to
		want     string // in the only fault; "" for none
	}{
		{name: "whole"},
		{name: "whole in the dark", look: dark},
		{name: "whole on a phone", look: phone},
		{"console", look{}, end, "<script>console.error('oh', 7)</script>", "console: oh 7"},
		{"exception", look{}, end, "<script>null.x</script>", "Cannot read properties of null"},
		{"rejection", look{}, end, "<script>Promise.reject(new Error('left'))</script>", "left"},
		{"not found", look{}, end, "<script src='/gone.js'></script>", "404"},
		{"refused", look{}, end, "<script>fetch('http://127.0.0.2:9/x').catch(() => 0)</script>",
			"another host: http://127.0.0.2:9/x"},
		{"named host", look{}, end, "<script>fetch('https://example.org/').catch(() => 0)</script>",
			"another host: https://example.org/"},
		{"other page", look{}, `data-page="overview"`, `data-page="tasks"`, `the page "tasks"`},
		{"not ready", look{}, `data-ready="overview"`, "", `ready for ""`},
		{"says what is wrong", look{}, "<p data-error>", "<p data-error>no answer", "no answer"},
		{"says nothing ever", look{}, "<p data-error>", "<p>", "no [data-error]"},
		{"too wide", phone, end, `<p class="w" style="width: 500px">x`,
			"pixels wide in a window of 390: p.w"},
		{"too wide on a desktop", look{}, end, `<p style="width: 2000px">x`, "2008 pixels wide"},
		{"bright in the dark", dark, "background: #111; color: #eee", "", "it is bright"},
		{"nameless", look{}, end, "<button></button>", "button has no name"},
		{"unlabelled", look{}, end, "<input type=text size=9>", "input has no name"},
		{"heading left out", look{}, "h2>", "h3>", "follows a heading of level 1"},
		{"no h1", look{}, "<h1>Overview</h1>\n  <h2>Rates</h2>", "", "exactly one visible h1"},
		{"no th", look{}, "<th>rate</th>", "<td>rate</td>", "has no th"},
		{"pale", look{}, end, "<p style='color: #999'>pale</p>", "has contrast 2.85"},
		{"pale through opacity", look{}, end, "<p style='color: rgb(0 0 0 / 40%)'>pale</p>",
			"has contrast 2.85"},
		{"pale in a drawing", look{}, `fill="#fff"`, `fill="#555"`, "has contrast 2.82"},
		{"small for a finger", phone, "min-height: 32px", "height: 16px", "a finger needs 24"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.old != "" && !strings.Contains(stub, c.old) {
				t.Fatalf("the stub has no %s", c.old)
			}
			faults := faultsOfStub(t, browser, c.look, strings.ReplaceAll(stub, c.old, c.new))
			switch {
			case c.want == "" && len(faults) == 0:
			case c.want != "" && len(faults) > 0 && strings.Contains(faults[0], c.want):
			default:
				t.Errorf("found %q, want %q", faults, c.want)
			}
		})
	}
}

// faultsOfStub shows a page that is served here, and gives what is wrong with it.
func faultsOfStub(t *testing.T, browser context.Context, l look, page string) []string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page)) // the browser may have gone
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	tab := openTab(t, browser, server.Listener.Addr().String(), l)
	tab.do("open the stub", chromedp.Navigate(server.URL))
	return append(tab.taken(), faultsOf(tab, l, "overview")...)
}
