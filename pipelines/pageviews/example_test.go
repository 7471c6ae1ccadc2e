package pageviews_test

import (
	"fmt"
	"time"

	"pawl/pipelines/pageviews"
)

// Views of the last ten minutes, with a few seconds of patience for those that come late.
func ExampleNew() {
	pipeline := pageviews.New(pageviews.Config{Span: 10 * time.Minute, Grace: 3 * time.Second})
	fmt.Println(pipeline.Name(), pipeline.Validate())
	// processor.Run(ctx, processor.Config{ApplicationID: "site", …}, pipeline)
	// Output:
	// pageviews <nil>
}

// The most viewed pages of two partitions.
func ExampleTop() {
	left := []pageviews.Ranked{{Page: "/home", Views: 12}, {Page: "/about", Views: 3}}
	right := []pageviews.Ranked{{Page: "/news", Views: 7}, {Page: "/contact", Views: 7}}
	for _, r := range pageviews.Top([][]pageviews.Ranked{left, right}, 3) {
		fmt.Println(r.Page, r.Views)
	}
	// Output:
	// /home 12
	// /contact 7
	// /news 7
}

func ExampleConfig_Validate() {
	cfg := pageviews.Config{Span: 90 * time.Minute, Grace: time.Minute}
	cfg.EnsureDefaults()
	fmt.Println(cfg.Validate())
	// Output:
	// pageviews.span=1h30m0s: out of range; give 1s to 1h0m0s
}
