package pageviews

import (
	"time"

	"pawl/processor"
	schema "pawl/schemas/pageviews"
	"pawl/statestore"
)

// Names of the topics and tables.
const (
	// Name is the pipeline's name.
	Name = "pageviews"
	// Window names the window: its late topic is `<application.id>-page-late`.
	Window = "page"
	// PageViews is the input topic.
	PageViews = "page-views"
	// PageCounts is the output topic with one PageCount per change, and the table of what was last
	// emitted of each page that has views.
	PageCounts = "page-counts"
	// ViewsCounter is the metric of views.
	ViewsCounter = "pageviews_views_total"
	// MinutesTable holds the views of each second.
	MinutesTable = "page-minutes"
)

const (
	// maxPage is the longest page in bytes. Results are emitted by timers, where one too large for
	// its topic would have no record to be blamed on.
	maxPage = 2048
	// endOfTime is the year 10000; no sum of times below it overflows.
	endOfTime = 253_402_300_800_000
)

// counter is the topology's handlers and handles. Tasks share it: it holds nothing of a record.
type counter struct {
	cfg     Config
	span    int64 // seconds
	grace   int64 // ms
	counts  *processor.Table[schema.PageTotal]
	minutes *processor.Table[schema.PageMinute]
	due     *processor.Timers
	out     *processor.Out[schema.PageCount]
	views   *processor.Counter
}

// New describes the pipeline. cfg should be valid; zero fields mean their defaults.
func New(cfg Config) *processor.Pipeline {
	cfg.EnsureDefaults()
	p := processor.New(Name).Linger(100 * time.Millisecond)
	c := &counter{cfg: cfg, span: cfg.span(), grace: cfg.grace().Milliseconds()}
	processor.Input(p, PageViews, schema.PageViewType(), c.view).
		EventTime(func(v schema.PageView) time.Time { return v.Timestamp }).
		Key(func(v schema.PageView) string { return v.Page }).
		Check(check).
		Late(Window, cfg.grace())
	c.counts = processor.Keyed(p, PageCounts, schema.PageTotalType())
	c.minutes = processor.Keyed(p, MinutesTable, schema.PageMinuteType())
	c.due = processor.NewTimers(p, "due", c.settle)
	c.out = processor.Output(p, PageCounts, schema.PageCountType())
	c.views = processor.Count(p, ViewsCounter, "Page views that count, neither late nor broken.",
		"")
	return p
}

// check refuses views that no browser sent.
func check(v schema.PageView) error {
	switch {
	case v.EventID == "":
		return processor.Reject("event_id is empty")
	case v.UserID == "":
		return processor.Reject("user_id is empty")
	case len(v.Page) > maxPage:
		return processor.Reject("page takes %d bytes; at most %d", len(v.Page), maxPage)
	case v.Timestamp.UnixMilli() >= endOfTime:
		return processor.RejectAs("InvalidTimestamp", "timestamp %d ms is beyond the year 9999",
			v.Timestamp.UnixMilli())
	}
	return nil
}

// view counts a view. Its second is not closed yet, or the view would be late.
func (c *counter) view(ctx *processor.Context, v schema.PageView) error {
	second := secondOf(ctx.Time().UnixMilli())
	key := pageKey(v.Page).Int(minuteOf(second))
	m, _ := c.minutes.GetAt(ctx, key)
	if add(&m, second) {
		c.arm(ctx, second)
	}
	c.minutes.SetAt(ctx, key, m)
	c.views.Inc(ctx, "")
	return nil
}

// arm makes the second due for the current page.
func (c *counter) arm(ctx *processor.Context, second int64) {
	c.due.Set(ctx, time.UnixMilli(second*secondMs+c.grace+1))
}

// settle is the timer's handler: it emits the page's views as of the second that is due, if they
// have changed, drops the minutes that have left the window, and looks when the next views will.
func (c *counter) settle(ctx *processor.Context) error {
	at := ctx.Time().UnixMilli() - 1
	closed := max(at-c.grace, 0) / secondMs
	page := pageKey(ctx.Key())
	total, known := c.counts.Get(ctx)
	was := total
	if !known { // then nothing older than the window is kept
		total.Oldest = minuteOf(max(closed-c.span+1, 0))
	}
	window := c.window(ctx, page, total.Oldest, closed)
	if window.views != total.Views {
		total.Views, total.AsOf = window.views, closed*secondMs
		c.emit(ctx, total)
	}
	if window.views == 0 {
		c.counts.Delete(ctx)
	} else {
		total.Oldest = minuteOf(window.first)
		if total != was {
			c.counts.Set(ctx, total)
		}
		c.arm(ctx, window.first+c.span)
	}
	c.rearm(ctx, page, closed, at/secondMs)
	return nil
}

// window looks at a page's views in the window that ends with the closed second.
func (c *counter) window(ctx *processor.Context, page statestore.Key, oldest, closed int64,
) (sum stretch) {
	from := max(closed-c.span+1, 0)
	for minute := oldest; minute <= minuteOf(closed); minute++ {
		key := page.Int(minute)
		m, ok := c.minutes.GetAt(ctx, key)
		switch {
		case !ok:
		case last(minute, &m) < from:
			c.minutes.DeleteAt(ctx, key)
		default:
			sum = sum.plus(minute, &m, from, closed)
		}
	}
	return sum
}

// rearm sees to it that the next second with views is due up to which a timer set under a shorter
// grace may have been meant. Where the grace has not changed, its timer is set already.
func (c *counter) rearm(ctx *processor.Context, page statestore.Key, closed, meant int64) {
	for minute := minuteOf(closed + 1); minute <= minuteOf(meant); minute++ {
		if m, ok := c.minutes.GetAt(ctx, page.Int(minute)); ok {
			if s := (stretch{}).plus(minute, &m, closed+1, meant); s.views > 0 {
				c.arm(ctx, s.first)
				return
			}
		}
	}
}

// emit sends what the page's views are now, stamped as the window's last moment.
func (c *counter) emit(ctx *processor.Context, total schema.PageTotal) {
	page, end := ctx.Key(), time.UnixMilli(total.AsOf)
	c.out.EmitAt(ctx, time.UnixMilli(max(total.AsOf-1, 0)), page, schema.PageCount{Page: page,
		WindowStart: end.Add(-c.cfg.Span), WindowEnd: end, Views: total.Views})
}

// pageKey is a page with room for a minute after it: page.Int(minute) is where that is kept, until
// the next one is asked for.
func pageKey(page string) statestore.Key {
	const room = 12 // for the tags and the minute
	return make(statestore.Key, 0, len(page)+room).String(page)
}
