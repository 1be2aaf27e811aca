package persistence

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// array is a one-dimensional Postgres array in the binary format, built element by element:
// one column of the rows that a statement is given. It is written by hand because pgx
// encodes an array through an interface value per element, which is expensive for groups.
type array struct {
	buf   []byte
	count uint32
	nulls bool
}

// arrayHeader is dimensions, has-nulls flag, element type, length, lower bound.
const arrayHeader = 5 * 4

// firstArray is the initial capacity of an array, in bytes: a charge fills one element.
const firstArray = 128

// reset begins an array of elements of the type oid; its memory is reused.
func (a *array) reset(oid uint32) {
	if cap(a.buf) < arrayHeader {
		a.buf = make([]byte, arrayHeader, firstArray)
	}
	a.buf = a.buf[:arrayHeader]
	binary.BigEndian.PutUint32(a.buf[0:], 1)
	binary.BigEndian.PutUint32(a.buf[8:], oid)
	binary.BigEndian.PutUint32(a.buf[16:], 1)
	a.count, a.nulls = 0, false
}

// bytes returns the array, which is valid until the next reset.
func (a *array) bytes() []byte {
	if a.count == 0 {
		// An empty array has no dimensions.
		binary.BigEndian.PutUint32(a.buf[0:], 0)
		return a.buf[:3*4]
	}
	var nulls uint32
	if a.nulls {
		nulls = 1
	}
	binary.BigEndian.PutUint32(a.buf[4:], nulls)
	binary.BigEndian.PutUint32(a.buf[12:], a.count)
	return a.buf
}

func (a *array) null() {
	a.buf = binary.BigEndian.AppendUint32(a.buf, 0xffffffff)
	a.nulls = true
	a.count++
}

func (a *array) int8(v int64) {
	a.buf = binary.BigEndian.AppendUint32(a.buf, 8)
	a.buf = binary.BigEndian.AppendUint64(a.buf, uint64(v))
	a.count++
}

func (a *array) int2(v int64) {
	a.buf = binary.BigEndian.AppendUint32(a.buf, 2)
	a.buf = binary.BigEndian.AppendUint16(a.buf, uint16(v))
	a.count++
}

func (a *array) bool(v bool) {
	var b byte
	if v {
		b = 1
	}
	a.buf = append(binary.BigEndian.AppendUint32(a.buf, 1), b)
	a.count++
}

func (a *array) text(s string) {
	a.buf = append(binary.BigEndian.AppendUint32(a.buf, uint32(len(s))), s...)
	a.count++
}

func (a *array) raw(b []byte) {
	a.buf = append(binary.BigEndian.AppendUint32(a.buf, uint32(len(b))), b...)
	a.count++
}

// postgresEpoch is 2000-01-01 in Unix microseconds: where a binary timestamptz begins.
const postgresEpoch int64 = 946_684_800_000_000

// elementType is how values of a Go type become elements of an array.
type elementType struct {
	name   string // in SQL
	oid    uint32
	append func(*array, reflect.Value)
}

// elementTypeOf returns the type of a column whose values are of the Go type t. The zero
// id, the zero time, the empty string and nil are NULL: no column of ours holds them.
// Numbers and booleans are never NULL.
func elementTypeOf(t reflect.Type) elementType {
	switch t {
	case reflect.TypeFor[uuid.UUID]():
		return elementType{"uuid", pgtype.UUIDOID, func(a *array, v reflect.Value) {
			if id := v.Addr().Interface().(*uuid.UUID); *id == uuid.Nil {
				a.null()
			} else {
				a.raw(id[:])
			}
		}}
	case reflect.TypeFor[time.Time]():
		return elementType{"timestamptz", pgtype.TimestamptzOID, func(a *array, v reflect.Value) {
			if at := v.Addr().Interface().(*time.Time); at.IsZero() {
				a.null()
			} else {
				a.int8(at.UnixMicro() - postgresEpoch)
			}
		}}
	case reflect.TypeFor[json.RawMessage]():
		return elementType{"json", pgtype.JSONOID, appendBytes}
	case reflect.TypeFor[[]byte]():
		return elementType{"bytea", pgtype.ByteaOID, appendBytes}
	}
	switch t.Kind() {
	case reflect.Int64:
		return elementType{"bigint", pgtype.Int8OID, func(a *array, v reflect.Value) { a.int8(v.Int()) }}
	case reflect.Uint64:
		return elementType{"bigint", pgtype.Int8OID, func(a *array, v reflect.Value) { a.int8(int64(v.Uint())) }}
	case reflect.Int16:
		return elementType{"smallint", pgtype.Int2OID, func(a *array, v reflect.Value) { a.int2(v.Int()) }}
	case reflect.Bool:
		return elementType{"boolean", pgtype.BoolOID, func(a *array, v reflect.Value) { a.bool(v.Bool()) }}
	case reflect.String:
		return elementType{"text", pgtype.TextOID, func(a *array, v reflect.Value) {
			if v.Len() == 0 {
				a.null()
			} else {
				a.text(v.String())
			}
		}}
	default:
		panic(fmt.Sprintf("persistence: no column has values of type %v", t))
	}
}

func appendBytes(a *array, v reflect.Value) {
	if v.IsNil() {
		a.null()
	} else {
		a.raw(v.Bytes())
	}
}
