package persistence

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"boxoffice/internal/failpoint"
)

// statement is one statement of the journal: its array parameters are columns, one
// element per row. Where it has a last bigint parameter that is the number of rows that
// must be touched, or the transaction fails with ZB001.
type statement struct {
	name string
	sql  string
	// types are the element types of the array parameters, by position.
	types []uint32
}

// batch is a pipeline of statements: sent in one write, answered in one read. Without a
// begin it is one transaction by itself, which is committed when all of it was done. A
// batch belongs to one goroutine and is used again for the next; so are its buffers.
type batch struct {
	conn    *pgx.Conn
	err     error // of preparing a statement
	queue   *pgconn.Batch
	looks   bool                    // it writes nothing yet
	readers []func(values [][]byte) // of the rows of each queued statement; nil: they say nothing
	columns []column
	values  [][]byte
	formats []int16 // of every parameter and result: binary
}

func (b *batch) reset(conn *pgx.Conn) {
	b.conn, b.err, b.queue = conn, nil, &pgconn.Batch{}
	b.formats = append(b.formats[:0], pgx.BinaryFormatCode)
	b.readers, b.looks = b.readers[:0], false
}

// columnsOf gives the empty columns of a statement's parameters; run queues it.
func (b *batch) columnsOf(s *statement) []column {
	for len(b.columns) < len(s.types) {
		b.columns = append(b.columns, column{})
	}
	columns := b.columns[:len(s.types)]
	for i := range columns {
		columns[i].reset(s.types[i])
	}
	return columns
}

// run queues the statement that columnsOf was called with last. The database prepares it
// the first time that it sees it in a session.
func (b *batch) run(ctx context.Context, s *statement) { b.runWith(ctx, s, nil) }

// runExpecting does the same for a statement that expects to touch so many rows.
func (b *batch) runExpecting(ctx context.Context, s *statement, rows int) {
	b.runWith(ctx, s, binary.BigEndian.AppendUint64(nil, uint64(rows)))
}

func (b *batch) runWith(ctx context.Context, s *statement, last []byte) {
	if b.err != nil {
		return
	}
	description, err := b.conn.Prepare(ctx, s.name, s.sql)
	if err != nil {
		b.err = fmt.Errorf("prepare %s: %w", s.name, err)
		return
	}
	b.values = b.values[:0]
	for i := range s.types {
		b.values = append(b.values, b.columns[i].bytes())
	}
	if last != nil {
		b.values = append(b.values, last)
	}
	b.queue.ExecStatement(description, b.values, b.formats, b.formats)
	b.readers = append(b.readers, nil)
}

// read gives the rows of the statement that was queued last to a function.
func (b *batch) read(reader func(values [][]byte)) {
	if b.err == nil {
		b.readers[len(b.readers)-1] = reader
	}
}

// send runs what was queued, and reads its rows.
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
	for i := 0; results.NextResult(); i++ {
		reader := results.ResultReader()
		for reader.NextRow() {
			if b.readers[i] != nil {
				b.readers[i](reader.Values())
			}
		}
		if _, err := reader.Close(); err != nil {
			break // Close below says it as well
		}
	}
	return results.Close()
}

// notSentError wraps an error after which nothing can have been written: what would have
// written, or committed, was never sent.
type notSentError struct {
	cause error
	// noConnection tells that there was not even a connection to send it on.
	noConnection bool
}

func (e *notSentError) Error() string { return e.cause.Error() }
func (e *notSentError) Unwrap() error { return e.cause }

// Readers of the binary format.

func int8Of(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) }

func uuidOf(value []byte) uuid.UUID { return uuid.UUID(value) }

// timeOf reads a timestamptz; null is the zero time.
func timeOf(value []byte) time.Time {
	if value == nil {
		return time.Time{}
	}
	return timeOfPostgresMicros(int8Of(value))
}
