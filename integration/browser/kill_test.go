package browser

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// recoverLimit is for the instance to be started again, and to run its tasks.
const recoverLimit = 60 * time.Second

// TestKillButton: the button kills an instance, the page shows how long the recovery took, and the
// oracle, asked by the other button, finds nothing lost and nothing twice.
func TestKillButton(t *testing.T) {
	const pipeline = "fraud"
	of := func(name string) string {
		return fmt.Sprintf("[data-%s][data-pipeline=%s]", name, pipeline)
	}
	tab := watched(t, look{})
	tab.show(place{"overview", pipeline})
	tab.excuse(true) // an answer may be under way when its instance dies
	before := statusOf(t, pipeline)
	shown := textOf(tab, of("recovery"))

	tab.press(fmt.Sprintf("[data-action=kill][data-pipeline=%s]", pipeline))
	after := statusUntil(t, pipeline, recoverLimit, "a crash and its recovery",
		func(s demoStatus) bool {
			return s.Crashes == before.Crashes+1 && s.LastRecovery != nil &&
				!maps.Equal(s.pids(), before.pids())
		})
	t.Logf("recovered after %.2f s", *after.LastRecovery)
	tab.until(showLimit, "the recovery's time", fmt.Sprintf(
		`((t) => /[0-9]/.test(t) && t !== %q)(document.querySelector(%q)?.innerText ?? "")`, shown,
		of("recovery")))

	tab.press(fmt.Sprintf("[data-action=verify][data-pipeline=%s]", pipeline))
	tab.until(showLimit, "that the oracle checks, or what it found", fmt.Sprintf(
		`/checking|match/.test(document.querySelector(%q)?.dataset.verdict)`, of("verdict")))
	tab.until(verifyLimit, "the oracle's verdict", fmt.Sprintf(
		`/^(match|mismatch)$/.test(document.querySelector(%q)?.dataset.verdict)`, of("verdict")))
	if got := evaluate[string](tab, fmt.Sprintf("document.querySelector(%q).dataset.verdict",
		of("verdict"))); got != "match" {
		t.Errorf("after the kill the oracle says %s", got)
	}
	if text := textOf(tab, of("verdict")); text == "" {
		t.Error("the verdict is not told in words")
	}
	tab.excuse(false)
	statusUntil(t, pipeline, recoverLimit, "load as before",
		func(s demoStatus) bool { return s.Load == "running" })
	tab.show(place{"tasks", pipeline})
	tab.show(place{"overview", pipeline})
	for _, fault := range faultsOf(tab, look{}, "overview") {
		t.Error(fault)
	}
}

// textOf is what an element says; "" if it isn't there.
func textOf(t *tab, selector string) string {
	t.Helper()
	return evaluate[string](t, fmt.Sprintf("document.querySelector(%q)?.innerText.trim() ?? ''",
		selector))
}

// press clicks with the mouse.
func (t *tab) press(selector string) {
	t.Helper()
	t.until(showLimit, selector, fmt.Sprintf("document.querySelector(%q)?.checkVisibility()",
		selector))
	t.do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}
