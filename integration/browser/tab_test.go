package browser

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page of the browser, with storage of its own, whose every fault is kept.
type tab struct {
	testing.TB
	ctx  context.Context
	host string // the only one that the page may ask

	mu     sync.Mutex
	faults []string
	rough  bool // an answer with an error is none
	asked  int  // requests so far
}

// openTab opens an empty page that is to be shown as look says. It is closed with the test, which
// fails for what the page did wrong by then.
func openTab(tb testing.TB, browser context.Context, host string, l look) *tab {
	tb.Helper()
	t := &tab{TB: tb, host: host}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(),
		chromedp.WithListener(t.watch))
	t.ctx = ctx
	tb.Cleanup(cancel)
	// The first call decides how long the page lives, so it has no limit.
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		tb.Fatalf("open a page: %v", err)
	}
	t.do("show pages "+l.String(), l.actions()...)
	return t
}

// watched is openTab for a test of the demo: what the page does wrong fails the test at its end.
func watched(tb testing.TB, l look) *tab {
	tb.Helper()
	t := openTab(tb, shared.chromium(tb), shared.console(tb), l)
	tb.Cleanup(func() {
		for _, fault := range t.taken() {
			tb.Error(fault)
		}
	})
	return t
}

// watch is called for each event of the page.
func (t *tab) watch(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError ||
			e.Type == runtime.ConsoleAPICalledTypeAssert {
			t.fault("console: %s", said(e.Args))
		}
	case *runtime.EventExceptionThrown:
		t.fault("exception: %s %s", e.ExceptionDetails.Text,
			said([]*runtime.RemoteObject{e.ExceptionDetails.Exception}))
	case *log.EventEntryAdded:
		t.logged(e.Entry)
	case *network.EventRequestWillBeSent:
		t.asks(e.Request.URL)
	case *network.EventWebSocketCreated:
		t.asks(e.URL)
	}
}

// logged judges what the browser itself says of the page, such as of an answer 404.
func (t *tab) logged(e *log.Entry) {
	t.mu.Lock()
	rough := t.rough
	t.mu.Unlock()
	if e.Level != log.EntryLevelError || rough && e.Source == log.EntrySourceNetwork {
		return
	}
	t.fault("%s: %s (%s)", e.Source, e.Text, e.URL)
}

// asks judges a request.
func (t *tab) asks(address string) {
	t.mu.Lock()
	t.asked++
	t.mu.Unlock()
	u, err := url.Parse(address)
	if err != nil || !slices.Contains([]string{"data", "blob"}, u.Scheme) && u.Host != t.host {
		t.fault("a request to another host: %s", address)
	}
}

func (t *tab) fault(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, fmt.Sprintf(format, args...))
}

// taken gives the faults so far and forgets them.
func (t *tab) taken() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	faults := t.faults
	t.faults = nil
	return faults
}

// excuse says whether answers with an error are expected from now on, as around a kill.
func (t *tab) excuse(rough bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rough = rough
}

// said are the arguments of a call of console.error as text.
func said(args []*runtime.RemoteObject) string {
	var words []string
	for _, a := range args {
		switch {
		case a == nil:
		case a.Description != "":
			words = append(words, a.Description)
		default:
			words = append(words, strings.Trim(string(a.Value), `"`))
		}
	}
	return strings.Join(words, " ")
}

// actionLimit bounds what the browser does at once.
const actionLimit = 20 * time.Second

// do runs actions, or ends the test.
func (t *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	get(t, what, chromedp.Steps(actions...))
}

// get runs an action for what it gives, or ends the test.
func get[V any](t *tab, what string, action chromedp.Action[V]) V {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, actionLimit)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return v
}

// evaluate gives the value of a JavaScript expression, awaited if it is a promise.
func evaluate[V any](t *tab, expression string) V {
	t.Helper()
	return get(t, "evaluate "+head(expression),
		chromedp.Evaluate[V](expression, chromedp.EvalAwaitPromise))
}

// head is as much of a text as a message wants.
func head(text string) string {
	if len(text) > 120 {
		return text[:120] + "…"
	}
	return text
}

// until waits until the JavaScript condition holds, or ends the test with what it waited for.
func (t *tab) until(limit time.Duration, what, condition string) {
	t.Helper()
	end := time.Now().Add(limit)
	for !evaluate[bool](t, "Boolean("+condition+")") {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain for %s; the page shows:\n%s", limit, what,
				head(evaluate[string](t, "document.body?.innerText ?? ''")))
		}
		select {
		case <-t.ctx.Done():
			t.Fatalf("the page went away while it was to show %s", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
