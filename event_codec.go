package boxoffice

import (
	"time"

	"github.com/google/uuid"
)

// EncodeEvent gives the stored form of an event: its type and versioned JSON.
func EncodeEvent(e Event) (eventType string, data []byte, err error) { panic("being written") }

// DecodeEvent reads what EncodeEvent wrote. An unknown type or version is an error.
func DecodeEvent(eventType string, at time.Time, operationID uuid.UUID, data []byte) (Event, error) {
	panic("being written")
}

// AppendEvents appends events to dst, merging neighbours that say the same of more
// places.
func AppendEvents(dst []Event, events ...Event) []Event { return append(dst, events...) }
