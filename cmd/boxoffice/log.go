package main

import (
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"
)

// slowStep is how long a step of the start may take before it is logged.
const slowStep = time.Second

// tellIfSlow logs what the program is doing if it takes longer than slowStep. The caller
// calls done at the end of the step.
func tellIfSlow(logger *slog.Logger, step string) (done func()) {
	timer := time.AfterFunc(slowStep, func() { logger.Info("still starting", "step", step) })
	return func() { timer.Stop() }
}

// newLogger logs to w: for people where w is a terminal, for machines elsewhere, unless
// the settings say which.
func newLogger(w io.Writer, s settings) *slog.Logger {
	format := s.LogFormat
	if format == logAuto {
		format = logJSON
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			format = logText
		}
	}
	options := &slog.HandlerOptions{Level: s.LogLevel}
	if format == logText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	options.ReplaceAttr = withUnits
	return slog.New(slog.NewJSONHandler(w, options))
}

// withUnits writes durations as text does: "1.5s", not so many nanoseconds.
func withUnits(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
