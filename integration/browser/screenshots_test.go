package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chartTime is how much history the charts of a picture have at least.
const chartTime = 15 * time.Second

// atRest waits until whatever moves into its place is there; what moves for ever may.
const atRest = `Promise.allSettled(document.getAnimations()
	.filter((a) => a.effect.getComputedTiming().endTime !== Infinity)
	.map((a) => a.finished)).then(() => true)`

// TestScreenshots writes a picture of every page in each look, whole, not only what the window
// shows, into the folder that PAWL_SCREENSHOTS names.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv(screenshotsVariable)
	if dir == "" {
		t.Skipf("%s names no folder for the pictures", screenshotsVariable)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	shared.console(t)
	var tabs []*tab
	for _, l := range looks {
		tab := watched(t, l)
		tab.visit(place{"overview", pipelineNames[0]})
		tabs = append(tabs, tab)
	}
	evaluate[bool](tabs[0], fmt.Sprintf("new Promise((done) => setTimeout(() => done(true), %d))",
		chartTime.Milliseconds()))
	for i, l := range looks {
		for _, p := range picturePlaces() {
			t.Run(fmt.Sprintf("%s-%v", p.page, l), func(t *testing.T) {
				tabs[i].TB = t
				tabs[i].show(p)
				evaluate[bool](tabs[i], atRest)
				picture := get(tabs[i], "take a picture of "+p.String(),
					chromedp.FullScreenshot(100))
				name := filepath.Join(dir, fmt.Sprintf("%s-%v.png", p.page, l))
				if err := os.WriteFile(name, picture, 0o644); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	t.Logf("pictures are in %s", dir)
}

// picturePlaces are all pages once, with the pipeline that shows most there.
func picturePlaces() []place {
	list := append([]place{}, resultPages...)
	for _, page := range enginePages {
		pipeline := "fraud"
		if page == "windows" {
			pipeline = "activity"
		}
		list = append(list, place{page, pipeline})
	}
	return list
}
