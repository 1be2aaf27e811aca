package http

import (
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"boxoffice"
)

// timeFormat is the format of all times: RFC 3339 in UTC with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// timestamp is a time in a JSON body.
type timestamp time.Time

// Schema describes it to huma.
func (timestamp) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-12-24T10:15:00.000Z"}}
}

// MarshalText writes it in UTC with milliseconds.
func (t timestamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, timeFormat), nil
}

// UnmarshalText accepts any zone, and truncates to milliseconds.
func (t *timestamp) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("parse a time: %w", err)
	}
	*t = timestamp(parsed.UTC().Truncate(time.Millisecond))
	return nil
}

// optionalTime returns nil for the zero time.
func optionalTime(t time.Time) *timestamp {
	if t.IsZero() {
		return nil
	}
	return new(timestamp(t))
}

// optionalID returns nil for the zero id.
func optionalID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// remaining returns the whole seconds left until t, rounded down.
func remaining(t, now time.Time) int {
	return int(max(0, t.Sub(now)/time.Second))
}

// PageQuery is the query of every list. It is exported because huma reads embedded
// structs only then.
type PageQuery struct {
	Limit  int    `json:"limit,omitempty" minimum:"1" maximum:"100" default:"20" doc:"how many items at most"`
	Cursor string `json:"cursor,omitempty" maxLength:"512" doc:"the next of the page before; none for the first page"`
}

func (q PageQuery) request() boxoffice.PageRequest {
	return boxoffice.PageRequest{Limit: q.Limit, Cursor: q.Cursor}
}

// listJSON is one page of a list.
type listJSON[T any] struct {
	Items []T     `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"the cursor of the next page; null on the last"`
}

// listOf returns a page with its items rendered.
func listOf[S, T any](page boxoffice.Page[S], render func(S) T) listJSON[T] {
	list := listJSON[T]{Items: make([]T, len(page.Items))}
	for i, item := range page.Items {
		list.Items[i] = render(item)
	}
	if page.Next != "" {
		list.Next = &page.Next
	}
	return list
}
