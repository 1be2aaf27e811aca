package persistence

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// column is a one-dimensional Postgres array in the binary format, built element by
// element: one parameter of a statement that writes the rows of many commits with
// unnest. It is written by hand because pgx encodes an array through an interface value
// per element, which was the dearest part of a group on the client.
type column struct {
	buf   []byte
	count uint32
	nulls bool
}

// arrayHeader is dimensions, has-nulls flag, element type, length, lower bound.
const arrayHeader = 5 * 4

// firstColumn is the memory of a column at first, in bytes: a charge fills one element.
const firstColumn = 128

// reset begins an array of elements of the type oid; its memory is used again.
func (c *column) reset(oid uint32) {
	if cap(c.buf) < arrayHeader {
		c.buf = make([]byte, arrayHeader, firstColumn)
	}
	c.buf = c.buf[:arrayHeader]
	binary.BigEndian.PutUint32(c.buf[0:], 1)
	binary.BigEndian.PutUint32(c.buf[8:], oid)
	binary.BigEndian.PutUint32(c.buf[16:], 1)
	c.count, c.nulls = 0, false
}

// bytes gives the array; it is good until the next reset.
func (c *column) bytes() []byte {
	if c.count == 0 {
		// An empty array has no dimensions.
		binary.BigEndian.PutUint32(c.buf[0:], 0)
		return c.buf[:3*4]
	}
	var nulls uint32
	if c.nulls {
		nulls = 1
	}
	binary.BigEndian.PutUint32(c.buf[4:], nulls)
	binary.BigEndian.PutUint32(c.buf[12:], c.count)
	return c.buf
}

func (c *column) null() {
	c.buf = binary.BigEndian.AppendUint32(c.buf, 0xffffffff)
	c.nulls = true
	c.count++
}

func (c *column) int8(v int64) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, 8)
	c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(v))
	c.count++
}

func (c *column) int2(v int) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, 2)
	c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(v))
	c.count++
}

func (c *column) bool(v bool) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, 1)
	if v {
		c.buf = append(c.buf, 1)
	} else {
		c.buf = append(c.buf, 0)
	}
	c.count++
}

func (c *column) text(s string) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(s)))
	c.buf = append(c.buf, s...)
	c.count++
}

// textOrNull writes null for the empty string.
func (c *column) textOrNull(s string) {
	if s == "" {
		c.null()
		return
	}
	c.text(s)
}

func (c *column) raw(b []byte) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(b)))
	c.buf = append(c.buf, b...)
	c.count++
}

func (c *column) uuid(id uuid.UUID) { c.raw(id[:]) }

// uuidOrNull writes null for the zero id.
func (c *column) uuidOrNull(id uuid.UUID) {
	if id == uuid.Nil {
		c.null()
		return
	}
	c.raw(id[:])
}

// timeOrNull writes null for the zero time.
func (c *column) timeOrNull(t time.Time) {
	if t.IsZero() {
		c.null()
		return
	}
	c.int8(postgresMicros(t))
}

// postgresEpoch is 2000-01-01 in Unix microseconds: where a binary timestamptz begins.
const postgresEpoch int64 = 946_684_800_000_000

func postgresMicros(t time.Time) int64 { return t.UnixMicro() - postgresEpoch }

func timeOfPostgresMicros(v int64) time.Time { return time.UnixMicro(v + postgresEpoch).UTC() }

// Types of array elements.
const (
	oidBool  = pgtype.BoolOID
	oidBytea = pgtype.ByteaOID
	oidInt2  = pgtype.Int2OID
	oidInt8  = pgtype.Int8OID
	oidJSON  = pgtype.JSONOID
	oidText  = pgtype.TextOID
	oidTime  = pgtype.TimestamptzOID
	oidUUID  = pgtype.UUIDOID
)
