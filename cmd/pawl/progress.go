package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"
)

// isTerminal tells whether a person looks at w; escape codes go nowhere else.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && cwriter.IsTerminal(int(f.Fd()))
}

// progressBar shows how far a known or unknown number of steps has come: a bar on a terminal, a
// line every few seconds elsewhere.
type progressBar struct {
	name  string
	out   io.Writer
	every time.Duration

	bars *mpb.Progress
	bar  *mpb.Bar

	mu      sync.Mutex
	started time.Time
	printed time.Time
	done    int64
	total   int64
}

// newProgress starts a display; total 0 means unknown.
func newProgress(out io.Writer, name string, total int64) *progressBar {
	now := time.Now()
	p := &progressBar{name: name, out: out, every: 2 * time.Second, started: now, printed: now,
		total: total}
	if isTerminal(out) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(60))
		p.bar = p.bars.AddBar(total,
			mpb.PrependDecorators(decor.Name(name+" "), decor.CountersNoUnit("%d / %d")),
			mpb.AppendDecorators(decor.AverageSpeed(0, " %.0f/s"),
				decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8})))
	}
	return p
}

// set says how many steps are done, of how many.
func (p *progressBar) set(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total = done, total
	if p.bar != nil {
		p.bar.SetTotal(total, false)
		p.bar.SetCurrent(done)
		return
	}
	if time.Since(p.printed) >= p.every {
		p.printed = time.Now()
		p.line()
	}
}

// finish ends the display with the final numbers.
func (p *progressBar) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.SetTotal(p.done, true)
		p.bars.Wait()
		return
	}
	p.line()
}

func (p *progressBar) line() {
	rate := float64(p.done) / max(time.Since(p.started).Seconds(), 0.001)
	if p.total > 0 {
		fmt.Fprintf(p.out, "%s: %d / %d, %.0f/s\n", p.name, p.done, p.total, rate)
		return
	}
	fmt.Fprintf(p.out, "%s: %d, %.0f/s\n", p.name, p.done, rate)
}
