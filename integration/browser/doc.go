// Package browser tests the dashboard as people see it: in real Chromium, on a real pawl demo with
// all pipelines, and against an oracle that the tests compute from the topics.
//
// The tests need Chromium (Debian's chromium); without it they are skipped, except where
// PAWL_REQUIRE_CHROMIUM=1 forbids that. PAWL_CHROMIUM names another program of its kind,
// or is off.
// PAWL_SCREENSHOTS=dir has TestScreenshots write a picture of every page into a folder.
//
// Whatever a page says on the console as an error, throws or asks of another host fails the test
// that has it open.
//
// Order of files: main_test.go (the demo and the browser that all tests share), chromium_test.go
// (finding and starting it), demo_test.go (asking the demo beside the page),
// tab_test.go (a page that is watched), look_test.go (how it is shown and what a look at it tells),
// watch_test.go (that each of these checks bites); then what is tested: pages_test.go, top_test.go,
// kill_test.go, keyboard_test.go, deadletters_test.go and screenshots_test.go.
package browser
