package persistence

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// MaxPage is the most items of a page.
const MaxPage = 100

// list identifies a list in its cursors: a cursor of another list is refused.
type list byte

// The lists.
const (
	listConcerts     list = 'c'
	listSchedules    list = 's'
	listHistory      list = 'h'
	listReservations list = 'r'
	listPayments     list = 'p'
)

// position is that of the last item of a page, after which the next begins. The list
// decides which fields count; the others are zero.
type position struct {
	number int64
	at     time.Time
	id     uuid.UUID
}

// A cursor is the list's letter, the number, the time in Unix microseconds and the id,
// in base64url without padding: the same length for all.
const cursorBytes = 1 + 8 + 8 + 16

// lastMoment is after everything; it bounds the times of cursors.
func lastMoment() time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC) }

// newest returns where lists begin whose newest item comes first.
func newest() position {
	return position{number: math.MaxInt64, at: lastMoment(), id: uuid.Max}
}

// oldest returns where lists begin whose smallest item comes first.
func oldest() position { return position{at: time.Unix(0, 0).UTC()} }

func (l list) cursor(p position) string {
	b := make([]byte, 0, cursorBytes)
	b = append(b, byte(l))
	b = binary.BigEndian.AppendUint64(b, uint64(p.number))
	var micros int64
	if !p.at.IsZero() {
		micros = p.at.UnixMicro()
	}
	b = binary.BigEndian.AppendUint64(b, uint64(micros))
	b = append(b, p.id[:]...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// read checks a page request. first is where the list begins.
func (l list) read(page boxoffice.PageRequest, first position) (position, error) {
	if page.Limit < 1 || page.Limit > MaxPage {
		return position{}, boxoffice.Invalid("query.limit", "must be from 1 to %d", MaxPage)
	}
	if page.Cursor == "" {
		return first, nil
	}
	invalid := boxoffice.Invalid("query.cursor", "must be the \"next\" of a page of this list")
	if len(page.Cursor) != base64.RawURLEncoding.EncodedLen(cursorBytes) {
		return position{}, invalid
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(page.Cursor)
	if err != nil || len(b) != cursorBytes || list(b[0]) != l {
		return position{}, invalid
	}
	p := position{number: int64(binary.BigEndian.Uint64(b[1:])), id: uuid.UUID(b[17:])}
	micros := int64(binary.BigEndian.Uint64(b[9:]))
	if p.number < 0 || micros < 0 || micros > lastMoment().UnixMicro() {
		return position{}, invalid
	}
	p.at = time.UnixMicro(micros).UTC()
	return p, nil
}

// listPage returns a page of a list. The query returns the items after a position, in the
// list's order, up to one more than the page has, which shows whether there is another
// page.
func listPage[T any](
	ctx context.Context, d *Database, l list, page boxoffice.PageRequest, first position,
	query func(after position, limit int) (sql string, args []any), row pgx.RowToFunc[T], positionOf func(T) position,
) (boxoffice.Page[T], error) {
	const what = "list"
	none := boxoffice.Page[T]{}
	after, err := l.read(page, first)
	if err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	sql, args := query(after, page.Limit+1)
	rows, err := d.pool.Query(ctx, sql, args...)
	if err != nil {
		return none, failure(what, err)
	}
	items, err := pgx.CollectRows(rows, row)
	if err != nil {
		return none, failure(what, err)
	}
	result := boxoffice.Page[T]{Items: items}
	if len(items) > page.Limit {
		result.Items = items[:page.Limit]
		result.Next = l.cursor(positionOf(items[page.Limit-1]))
	}
	return result, nil
}

// readOne returns the one row of a query, or missing if there is none.
func readOne[T any](
	ctx context.Context, q querier, what string, missing *boxoffice.Error, row pgx.RowToFunc[T], sql string, args ...any,
) (one T, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return one, failure(what, err)
	}
	one, err = pgx.CollectExactlyOneRow(rows, row)
	if errors.Is(err, pgx.ErrNoRows) {
		return one, missing
	}
	return one, failure(what, err)
}
