package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/chromedp/chromedp"
)

// Names of the environment variables that the package documentation explains.
const (
	requireVariable     = "PAWL_REQUIRE_CHROMIUM"
	chromiumVariable    = "PAWL_CHROMIUM"
	screenshotsVariable = "PAWL_SCREENSHOTS"
)

// errNoChromium says how to come by one.
var errNoChromium = errors.New("there is no Chromium; install Debian's chromium, or name the " +
	"program in " + chromiumVariable)

// findChromium gives the program's path.
func findChromium() (string, error) {
	names := []string{"chromium", "chromium-browser", "google-chrome", "chrome"}
	switch own := os.Getenv(chromiumVariable); own {
	case "":
	case "off":
		return "", fmt.Errorf("%s=off: %w", chromiumVariable, errNoChromium)
	default:
		names = []string{own}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoChromium
}

// startChromium starts the browser with a profile of its own, which ends and is removed with stop.
// It is made to find no host but this one, and to tell accessible names.
func startChromium() (ctx context.Context, stop func(), err error) {
	path, err := findChromium()
	if err != nil {
		return nil, nil, err
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("enable-blink-features", "ComputedAccessibilityInfo"),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	}
	for _, name := range []string{"disable-quic", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage",
		"disable-background-timer-throttling", "disable-renderer-backgrounding"} {
		options = append(options, chromedp.Flag(name, true))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		end()
		return nil, nil, fmt.Errorf("start %s: %w", path, err)
	}
	return ctx, func() {
		_ = chromedp.Cancel(ctx) // closes the browser and waits; end kills what is left
		cancel()
		end()
	}, nil
}
