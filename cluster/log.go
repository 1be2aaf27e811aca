package cluster

import (
	"context"
	"log/slog"
)

// quiet passes protoactor's log on to the node's log: its information is logged at the
// debug level, and messages, which carry what users sent, are left out.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, demoted(level))
}

// Handle implements slog.Handler.
func (h quiet) Handle(ctx context.Context, r slog.Record) error {
	kept := slog.NewRecord(r.Time, demoted(r.Level), r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "message" {
			kept.AddAttrs(a)
		}
		return true
	})
	return h.Handler.Handle(ctx, kept)
}

// WithAttrs implements slog.Handler.
func (h quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h quiet) WithGroup(name string) slog.Handler { return quiet{h.Handler.WithGroup(name)} }

// demoted lowers information to debug, and errors to information: a grain's own shell
// reports what concerns it better.
func demoted(level slog.Level) slog.Level {
	switch {
	case level >= slog.LevelError:
		return slog.LevelInfo
	default:
		return min(level, slog.LevelDebug)
	}
}
