package browser

import (
	_ "embed" // of the script
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

//go:embed testdata/focus.js
var focusScript string

// focused is what focusScript gives.
type focused struct {
	Name   string
	Body   bool
	Marked bool
	Inside bool
	Href   string
	Within string
}

// mostStops is more than any page has.
const mostStops = 150

// key presses a key.
func (t *tab) key(key string) {
	t.Helper()
	t.do("press a key", chromedp.KeyEvent(key))
}

// focus is what has it.
func (t *tab) focus() focused {
	t.Helper()
	return evaluate[focused](t, focusScript)
}

// tabTo presses Tab until ok, or ends the test.
func (t *tab) tabTo(what string, ok func(focused) bool) focused {
	t.Helper()
	var stops []string
	for range mostStops {
		t.key(kb.Tab)
		f := t.focus()
		if ok(f) {
			return f
		}
		stops = append(stops, f.Name)
	}
	t.Fatalf("Tab never came to %s; it went through %q", what, stops)
	return focused{}
}

// reachable are role and name of all controls that can be seen now.
const reachable = `[...document.querySelectorAll("a[href], button, select, input, summary, textarea, " +
		"[tabindex='0']")]
	.filter((e) => e.checkVisibility({ checkVisibilityCSS: true }) && !e.disabled &&
		e.tabIndex >= 0 && !e.closest("dialog:not([open])"))
	.map((e) => e.computedRole + " " + e.computedName)`

// TestTabReachesAll: the keyboard comes to every control, in sight and marked, on every page.
func TestTabReachesAll(t *testing.T) {
	tab := watched(t, look{})
	for _, p := range places(false) {
		t.Run(p.String(), func(t *testing.T) {
			tab.TB = t
			reachesAll(tab, p)
		})
	}
}

// reachesAll presses Tab from where the page has put the focus until it has gone all around.
func reachesAll(t *tab, p place) {
	t.show(p)
	want := evaluate[[]string](t, reachable)
	var stops []string
	for range mostStops {
		t.key(kb.Tab)
		f := t.focus()
		if f.Body {
			continue // the end: the next is the first
		}
		if len(stops) > 0 && f.Name == stops[0] {
			break
		}
		if !f.Marked {
			t.Errorf("nothing shows that %s has the focus", f.Name)
		}
		if !f.Inside {
			t.Errorf("%s has the focus out of sight", f.Name)
		}
		stops = append(stops, f.Name)
	}
	now := evaluate[[]string](t, reachable)
	for _, name := range want {
		// Rows of live data come and go meanwhile.
		if !slices.Contains(stops, name) && slices.Contains(now, name) {
			t.Errorf("Tab does not come to %s; it comes to %q", name, stops)
		}
	}
}

// TestKeyboardWorks: with keys alone one goes to a page, chooses a pipeline and changes the theme,
// which stays.
func TestKeyboardWorks(t *testing.T) {
	tab := watched(t, look{})
	tab.show(place{"overview", "fraud"})
	tab.tabTo("the skip link", func(f focused) bool { return strings.Contains(f.Name, "Skip") })
	tab.key(kb.Enter)
	if f := tab.focus(); f.Within != "main" {
		t.Errorf("the skip link leads to %+v", f)
	}
	tab.tabTo("the link to the tasks", func(f focused) bool { return f.Href == "#/tasks" })
	tab.key(kb.Enter)
	tab.until(showLimit, "the tasks", `document.body.dataset.ready === "tasks"`)
	tab.tabTo("the switcher", func(f focused) bool { return strings.Contains(f.Name, "Pipeline") })
	tab.key(kb.ArrowDown)
	tab.until(showLimit, "the tasks of another pipeline", fmt.Sprintf(
		`document.querySelector("[data-switcher] select").value === %q &&
			document.body.dataset.ready === "tasks" &&
			document.querySelector("main").innerText.includes(%[1]q)`, pipelineNames[1]))
	tab.tabTo("the theme", func(f focused) bool { return strings.Contains(f.Name, "theme") })
	tab.key(" ")
	dark := look{"dark", "desktop"}
	for _, fault := range faultsOf(tab, dark, "tasks") {
		t.Error(fault)
	}
	tab.do("load it again", chromedp.Reload())
	tab.until(showLimit, "the tasks", `document.body.dataset.ready === "tasks"`)
	for _, fault := range faultsOf(tab, dark, "tasks") {
		t.Errorf("loaded again: %s", fault)
	}
}

// TestPhoneMenu: on a phone the pages are behind a button, which opens and closes them.
func TestPhoneMenu(t *testing.T) {
	const link = "nav a[href='#/tasks']"
	const sight = `((e) => e.checkVisibility({ checkVisibilityCSS: true }) &&
		e.getBoundingClientRect().right > 0 && e.getBoundingClientRect().height > 0)(
		document.querySelector("` + link + `"))`
	phone := look{"light", "phone"}
	tab := watched(t, phone)
	tab.show(place{"overview", "fraud"})
	is := func(what string, open bool) {
		t.Helper()
		tab.until(showLimit, what, fmt.Sprintf(
			`document.querySelector("[data-menu]").ariaExpanded === "%v" && %s === %[1]v`, open, sight))
	}
	tapMenu := func() { tab.do("tap the menu", chromedp.Tap(chromedp.CSS("[data-menu]"))) }
	is("a closed menu", false)
	tapMenu()
	is("an open menu", true)
	for _, fault := range faultsOf(tab, phone, "overview") {
		t.Errorf("with the menu open: %s", fault)
	}
	tab.key(kb.Escape)
	is("the menu closed by Escape", false)
	tapMenu()
	is("the menu open again", true)
	tab.do("tap a page", chromedp.Tap(chromedp.CSS(link)))
	tab.until(showLimit, "the tasks", `document.body.dataset.ready === "tasks"`)
	is("the menu closed by the choice", false)
}
