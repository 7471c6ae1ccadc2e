// Package pageviews counts the views of every page over the last minutes: for each whole second T
// of event time at which the number of a page's views with timestamp in (T − span, T] is another
// than the one last emitted, that number is emitted once, when no view at or before T can come any
// more. It also is when views leave the window, down to a last 0.
//
// Input is the topic page-views, keyed by page. Output is a PageCount per change on page-counts. A
// view that comes after the watermark has passed it by more than the grace goes to the late topic
// instead; a broken one to the dead-letter topic. Neither is counted. Equal views all count.
//
// A view at t belongs to the second ⌈t⌉. State, per page:
//
//	page-counts   (page)          → PageTotal: what was last emitted, unless that was 0
//	page-minutes  (page, minute)  → PageMinute: the views of each second of one minute
//	timers-due    (time, page)    → the seconds that are due
//
// A second is due when views may enter or leave the window at it, at the watermark T + grace + 1
// ms: then every view up to T is late. The first view of a second sets that second's timer; one
// that fires sets the one at which the oldest views leave. A page without views has no timer, and
// nothing of it is left.
//
// What an epoch has changed is written whole, ten times a second for a page that is viewed all the
// time. So a page's seconds are cut into minutes: a view rewrites 60 counters at most, a fifth of
// the window's. A row per second would write little less, but keep 300 rows per page instead of
// six. A row goes when its last second has left the window; until then what has left already stays
// in it, rather than to write it once more.
//
// Files, in the order of a record's path: config.go (settings), pipeline.go (the topology),
// minute.go (seconds, minutes and their counters), top.go (the most viewed pages of all
// partitions). Beside the path: oracle.go (the same meaning as sorted slices and loops; every test
// compares with it), canonical.go (state in a form that can be compared), generator.go and
// poison.go (seeded load).
package pageviews
