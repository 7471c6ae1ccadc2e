package browser

import (
	"cmp"
	"context"
	_ "embed" // of the scripts
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// look is how a page is shown.
type look struct {
	theme  string // light or dark
	device string // desktop or phone
}

// looks are all there are.
var looks = []look{{"light", "desktop"}, {"dark", "desktop"}, {"light", "phone"},
	{"dark", "phone"}}

func (l look) String() string { return l.theme + "-" + l.device }

// width is that of the window. The page's own word counts for nothing: a phone zooms out until what
// is too wide fits in.
func (l look) width() int64 {
	if l.device == "phone" {
		return 390
	}
	return 1280
}

// actions make the browser show pages so.
func (l look) actions() []chromedp.Action[chromedp.Void] {
	size := chromedp.EmulateViewport(l.width(), 900)
	if l.device == "phone" {
		size = chromedp.EmulateViewport(l.width(), 844, chromedp.EmulateMobile,
			chromedp.EmulateTouch, chromedp.EmulateScale(2))
	}
	features := []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: cmp.Or(l.theme, "light")}}
	theme := chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia,
			emulation.SetEmulatedMediaParams{Features: features})
		return err
	})
	return []chromedp.Action[chromedp.Void]{size, theme}
}

//go:embed testdata/look.js
var lookScript string

//go:embed testdata/accessibility.js
var accessibilityScript string

// seen is what lookScript gives.
type seen struct {
	Width         int64
	Wide          []string // what goes beyond the window
	Brightness    float64  // of the background, 0 for black and 1 for white
	Page          string
	Ready         string
	HasErrorPlace bool
	Errors        []string
	Text          string
}

// faultsOf looks at the page as it is now.
func faultsOf(t *tab, l look, page string) []string {
	t.Helper()
	s := evaluate[seen](t, fmt.Sprintf("(%s)(%d)", lookScript, l.width()))
	var faults []string
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	fault(s.Page != page, "main shows the page %q", s.Page)
	fault(s.Ready != page, "the body is ready for %q", s.Ready)
	fault(!s.HasErrorPlace, "there is no [data-error] where a fault would be shown")
	fault(len(s.Errors) > 0, "it says %q", s.Errors)
	fault(strings.TrimSpace(s.Text) == "", "it is empty")
	fault(s.Width > l.width(), "it is %d pixels wide in a window of %d: %s", s.Width, l.width(),
		strings.Join(s.Wide, ", "))
	fault(l.theme == "dark" && s.Brightness > 0.25, "it is bright (%.2f) in the dark", s.Brightness)
	fault(l.theme != "dark" && s.Brightness < 0.75, "it is dark (%.2f) in the light",
		s.Brightness)
	return append(faults, evaluate[[]string](t, accessibilityScript)...)
}
