package persistence

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"boxoffice/internal/failpoint"
)

// statement is one statement of the journal. Its input is rows: the parameters are one
// array for each column of each of its tables. They are built from the fields of the rows'
// types and named by their tags.
type statement struct {
	name   string
	sql    string
	tables []table
}

// table describes rows of one type, as a statement's SQL sees them.
type table struct {
	name    string
	row     reflect.Type
	columns []column
}

// column is one field of the rows.
type column struct {
	field int
	elementType
}

// rowsOf declares a table of rows of the type R, whose columns are the fields with a db
// tag.
func rowsOf[R any](name string) table {
	t := table{name: name, row: reflect.TypeFor[R]()}
	for i := range t.row.NumField() {
		if field := t.row.Field(i); field.Tag.Get("db") != "" {
			t.columns = append(t.columns, column{i, elementTypeOf(field.Type)})
		}
	}
	return t
}

// newStatement returns a statement. In its SQL {t} stands for the rows of the table t, in
// their order, which is that of the keys wherever rows are locked (see journalSettings),
// and {t.c} for the array of its column c. The arrays are unnested in a select list: in
// FROM each would be copied into a table of its own first.
func newStatement(name, sql string, tables ...table) *statement {
	var replacements []string
	parameters := 0
	for _, t := range tables {
		var list []string
		for _, c := range t.columns {
			parameters++
			tag := t.row.Field(c.field).Tag.Get("db")
			array := fmt.Sprintf("$%d::%s[]", parameters, c.name)
			list = append(list, fmt.Sprintf("unnest(%s) AS %s", array, tag))
			replacements = append(replacements, "{"+t.name+"."+tag+"}", "("+array+")")
		}
		replacements = append(replacements, "{"+t.name+"}", "(SELECT "+strings.Join(list, ", ")+")")
	}
	return &statement{name, strings.NewReplacer(replacements...).Replace(sql), tables}
}

// batch is a pipeline of statements: sent in one write, answered in one read. Without a
// begin it is one transaction by itself, which is committed at its end. A batch belongs to
// one goroutine and is reused, as are its buffers.
type batch struct {
	conn    *pgx.Conn
	err     error // of preparing a statement
	queue   *pgconn.Batch
	looks   bool                   // it writes nothing yet
	readers []func(pgx.Rows) error // of the rows of each queued statement; nil: they are ignored
	arrays  []array
	values  [][]byte
	formats []int16 // of every parameter and result: binary
}

func (b *batch) reset(conn *pgx.Conn) {
	b.conn, b.err, b.queue = conn, nil, &pgconn.Batch{}
	b.formats = append(b.formats[:0], pgx.BinaryFormatCode)
	b.readers, b.looks = b.readers[:0], false
}

// run queues a statement with a slice of rows for each of its tables. The database
// prepares it the first time that it sees it in a session.
func (b *batch) run(ctx context.Context, s *statement, rows ...any) {
	if b.err != nil {
		return
	}
	description, err := b.conn.Prepare(ctx, s.name, s.sql)
	if err != nil {
		b.err = fmt.Errorf("prepare %s: %w", s.name, err)
		return
	}
	b.values = b.values[:0]
	for i, slice := range rows {
		b.encode(s.tables[i], reflect.ValueOf(slice))
	}
	b.queue.ExecStatement(description, b.values, b.formats, b.formats)
	b.readers = append(b.readers, nil)
}

// encode appends the columns of a table to the values of the statement that is queued.
func (b *batch) encode(t table, rows reflect.Value) {
	if rows.Type().Elem() != t.row {
		panic(fmt.Sprintf("persistence: rows of %v for a table of %v", rows.Type().Elem(), t.row))
	}
	for _, c := range t.columns {
		if len(b.arrays) == len(b.values) {
			b.arrays = append(b.arrays, array{})
		}
		a := &b.arrays[len(b.values)]
		a.reset(c.oid)
		for i := range rows.Len() {
			c.append(a, rows.Index(i).Field(c.field))
		}
		b.values = append(b.values, a.bytes())
	}
}

// runAll queues a statement of one table, if there are rows for it.
func runAll[R any](ctx context.Context, b *batch, s *statement, rows []R) {
	if len(rows) > 0 {
		b.run(ctx, s, rows)
	}
}

// collect calls each with every row of the statement that was queued last.
func collect[R any](b *batch, each func(R)) {
	if b.err != nil {
		return
	}
	b.readers[len(b.readers)-1] = func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[R])
		for _, row := range found {
			each(row)
		}
		return err
	}
}

// send runs the queued statements and reads their rows.
func (b *batch) send(ctx context.Context) error {
	if b.err == nil {
		b.err = ctx.Err()
	}
	if b.err == nil && b.conn.IsClosed() {
		b.err = pgconn.ErrConnClosed
	}
	if b.err != nil {
		return &notSentError{cause: b.err}
	}
	// From here on pgconn.SafeToRetry is not to be trusted: an answer that breaks off can
	// surface as "conn closed", which it takes for a connection that was never used.
	results := b.conn.PgConn().ExecBatch(ctx, b.queue)
	if !b.looks {
		failpoint.Hit(failpoint.CommitSent)
	}
	var unread error
	for i := 0; results.NextResult(); i++ {
		reader := results.ResultReader()
		if read := b.readers[i]; read != nil && unread == nil {
			unread = read(pgx.RowsFromResultReader(b.conn.TypeMap(), reader))
		}
		if _, err := reader.Close(); err != nil {
			break // Close below says it as well
		}
	}
	if err := results.Close(); err != nil {
		return err
	}
	return unread
}

// notSentError wraps an error after which nothing can have been written, because the
// statement that writes or commits was never sent.
type notSentError struct {
	cause error
	// noConnection is true if there was no connection to send it on.
	noConnection bool
}

func (e *notSentError) Error() string { return e.cause.Error() }
func (e *notSentError) Unwrap() error { return e.cause }

// statements are all of the journal's.
type statements struct {
	grainStatements
	reservationStatements
	placeStatements
	accountStatements
	keyStatements
	insertUsers *statement
	begin       *statement
	commit      *statement
	allowTime   *statement // to the statements of a large group
}

func newStatements() *statements {
	return &statements{
		grainStatements:       newGrainStatements(),
		reservationStatements: newReservationStatements(),
		placeStatements:       newPlaceStatements(),
		accountStatements:     newAccountStatements(),
		keyStatements:         newKeyStatements(),
		insertUsers:           newInsertUsers(),
		begin:                 newStatement("begin", "BEGIN"),
		commit:                newStatement("commit", "COMMIT"),
		allowTime: newStatement("allow time",
			"SET LOCAL statement_timeout = "+milliseconds(largeStatementTimeout)),
	}
}

// writing are those that almost every group needs.
func (s *statements) writing() []*statement {
	return []*statement{
		s.fence, s.insertEvents, s.endReservations, s.insertReservations, s.changePlaces, s.insertPlaces,
		s.move, s.insertKeys, s.insertUsers,
	}
}

// locking says what to do about rows that another transaction has locked.
type locking int

const (
	waitForLocks locking = iota
	// skipLocked leaves their commits out, unavailable: a session that was stopped while
	// it held a lock must hold up its own grain only.
	skipLocked
	lockings // how many there are
)

// lockStatement returns a statement that locks rows, for each way of locking.
func lockStatement(name, sql string, rows table) (both [lockings]*statement) {
	both[waitForLocks] = newStatement(name, sql, rows)
	both[skipLocked] = newStatement(name+" skipping", sql+" SKIP LOCKED", rows)
	return both
}
