package boxoffice

import (
	"time"

	"github.com/google/uuid"
)

// Event is one fact that a state machine decided. Facts are kept forever in the form that
// [EncodeEvent] returns.
type Event struct {
	At time.Time
	// OperationID is the operation that caused it; zero if time did.
	OperationID uuid.UUID
	Data        EventData
}

// EventData is the payload of an event: one of the structs of this file.
type EventData interface{ EventType() string }
