package pageviews_test

import (
	"testing"
	"time"

	"pawl/pipelines/pageviews"
	"pawl/processor/processortest"
	schema "pawl/schemas/pageviews"
)

// TestCounters counts views, but for broken and late ones.
func TestCounters(t *testing.T) {
	t.Parallel()
	d := processortest.New(t, pageviews.New(pageviews.Config{}))
	view := func(at time.Duration, id string) {
		d.At(at).Send(pageviews.PageViews, "home", schema.PageView{EventID: id, Page: "home",
			UserID: "u", Timestamp: processortest.Time(at)})
	}
	view(time.Minute, "a")
	view(2*time.Minute, "b")
	d.Crash()
	view(time.Second, "late")
	view(2*time.Minute, "") // without an id it is none
	view(2*time.Minute, "c")
	if n := d.Counted(pageviews.ViewsCounter, ""); n != 3 {
		t.Errorf("counted %d views, want 3", n)
	}
}
