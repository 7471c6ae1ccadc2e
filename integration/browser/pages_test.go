package browser

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// showLimit is how long a page may take to show live data; the machine may be busy.
const showLimit = 20 * time.Second

// enginePages are there for every pipeline, resultPages for one.
var (
	enginePages = []string{"overview", "graph", "tasks", "checkpoints", "deadletters", "windows"}
	resultPages = []place{{"fraud", "fraud"}, {"sensors", "iot"}, {"pages", "pageviews"},
		{"activity", "activity"}, {"funnel", "funnel"}}
)

// movingPages show something else every few seconds while there is load.
var movingPages = []string{"overview", "graph", "fraud", "sensors", "pages", "activity", "funnel"}

// place is a page of a pipeline.
type place struct{ page, pipeline string }

func (p place) String() string { return p.page + " of " + p.pipeline }

// places are all pages, the engine's of every pipeline or of one each in turn.
func places(every bool) []place {
	var list []place
	for i, page := range enginePages {
		for n, pipeline := range pipelineNames {
			if every || n == i%len(pipelineNames) {
				list = append(list, place{page, pipeline})
			}
		}
	}
	return append(list, resultPages...)
}

// show goes to a page and waits until it is there with live data.
func (t *tab) show(p place) {
	t.Helper()
	t.visit(p)
	t.until(showLimit, "live data in "+p.String(), fmt.Sprintf(
		`document.querySelector("[data-error]")?.innerText.trim() ||
			document.body.dataset.ready === %q &&
			document.querySelector("main").dataset.page === %[1]q`, p.page))
	if text := textOf(t, "[data-error]"); text != "" {
		t.Fatalf("%v says: %s", p, text)
	}
}

// visit is show without waiting for what the page has to tell.
func (t *tab) visit(p place) {
	t.Helper()
	if evaluate[string](t, "location.host") != t.host {
		t.do("open the dashboard", chromedp.Navigate("http://"+t.host+"/"))
		t.until(showLimit, "the pages that there are",
			`document.querySelector("nav a[href^='#/']")`)
	}
	evaluate[string](t, fmt.Sprintf("location.hash = '#/%s'", p.page))
	t.until(showLimit, p.page, fmt.Sprintf(
		`document.querySelector("main").dataset.page === %q`, p.page))
	if slices.Contains(enginePages, p.page) {
		evaluate[bool](t, fmt.Sprintf(`(() => {
			const s = document.querySelector("[data-switcher] select");
			if (s.value !== %q) { s.value = %[1]q; s.dispatchEvent(new Event("change")); }
			return true;
		})()`, p.pipeline))
	}
}

// TestPages: every page of every pipeline shows live data, in each look, without a fault.
func TestPages(t *testing.T) {
	shared.console(t)
	for i, l := range looks {
		t.Run(l.String(), func(t *testing.T) {
			tab := watched(t, l)
			for _, p := range places(i == 0) {
				t.Run(p.String(), func(t *testing.T) {
					tab.TB = t
					tab.show(p)
					for _, fault := range append(faultsOf(tab, l, p.page), tab.taken()...) {
						t.Error(fault)
					}
				})
				tab.taken()
			}
		})
	}
}

// TestPagesMove: what a page shows follows the records.
func TestPagesMove(t *testing.T) {
	tab := watched(t, look{})
	for _, p := range places(false) {
		if !slices.Contains(movingPages, p.page) {
			continue
		}
		t.Run(p.String(), func(t *testing.T) {
			tab.TB = t
			tab.show(p)
			evaluate[bool](tab, `window.before = document.querySelector("main").innerText; true`)
			tab.until(showLimit, "something new in "+p.String(),
				`document.querySelector("main").innerText !== window.before`)
		})
	}
}
