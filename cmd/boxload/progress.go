package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows a person how far things are.
type progress struct {
	w     io.Writer
	shown bool
}

func newProgress(w io.Writer, shown bool) *progress { return &progress{w: w, shown: shown} }

// bar is one thing that is under way. The nil bar shows nothing.
type bar struct{ bar *progressbar.ProgressBar }

// start shows a new thing under way; total 0 is "nobody knows how much".
func (p *progress) start(what string, total int) *bar {
	if !p.shown {
		return nil
	}
	if total == 0 {
		total = -1
	}
	return &bar{bar: progressbar.NewOptions(total,
		progressbar.OptionSetWriter(p.w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionClearOnFinish(),
	)}
}

func (b *bar) add(n int) {
	if b != nil {
		_ = b.bar.Add(n) // what cannot be shown is not missed
	}
}

func (b *bar) stop() {
	if b != nil {
		_ = b.bar.Finish()
	}
}
