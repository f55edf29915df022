package secret

import (
	"context"
	"fmt"
	"log/slog"
)

// Handler returns a slog.Handler that hides values in what it passes on to next:
// in messages, and in what goes with them.
func (r *Redactor) Handler(next slog.Handler) slog.Handler { return &handler{r, next} }

type handler struct {
	redactor *Redactor
	next     slog.Handler
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	if h.redactor.Len() == 0 {
		return h.next.Handle(ctx, record)
	}
	out := slog.NewRecord(record.Time, record.Level, h.redactor.String(record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, out)
}

// WithAttrs hides what is known to be a value now.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	hidden := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		hidden[i] = h.attr(a)
	}
	return &handler{h.redactor, h.next.WithAttrs(hidden)}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.redactor, h.next.WithGroup(name)}
}

// attr returns an attribute as it was when there is no value in it.
func (h *handler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		members := v.Group()
		hidden := make([]slog.Attr, len(members))
		for i, m := range members {
			hidden[i] = h.attr(m)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(hidden...)}
	case slog.KindString:
		return slog.String(a.Key, h.redactor.String(v.String()))
	case slog.KindAny:
		text := fmt.Sprintf("%+v", v.Any())
		if hidden := h.redactor.String(text); hidden != text {
			return slog.String(a.Key, hidden)
		}
	}
	return slog.Attr{Key: a.Key, Value: v}
}
