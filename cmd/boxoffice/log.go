package main

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

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
	options := &slog.HandlerOptions{Level: slog.Level(s.LogLevel)}
	if format == logText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
