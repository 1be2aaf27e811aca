package waitingroom

import (
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// RoomLimits are the settings of a node that its waiting rooms follow.
type Limits struct {
	AdmissionTTL time.Duration // how long an admitted place is good for
	ClaimTTL     time.Duration // how soon its holder must be seen
	MaxWaiting   int           // past it a join is refused with queue-full
}

// Commands of a [WaitingRoom].
type (
	// Join takes a place at the end of the line, or gives the caller's live one again.
	Join struct {
		UserID uuid.UUID
	}
	// Touch tells that the holder of a place was seen. An admitted place that was not
	// claimed yet is claimed by it.
	Touch struct {
		UserID   uuid.UUID
		Sequence uint64
	}
	// Leave ends a place because its holder said so.
	Leave struct {
		UserID   uuid.UUID
		Sequence uint64
	}
	// Complete ends a place that a payment used up.
	Complete struct {
		Sequence uint64
	}
)

// PlaceRecord is one live place as Postgres keeps it; a waiting room is restored from
// these rows.
type PlaceRecord struct {
	Sequence   uint64
	UserID     uuid.UUID
	Status     boxoffice.PlaceStatus // waiting or admitted
	JoinedAt   time.Time
	AdmittedAt time.Time // zero while waiting
	EndsAt     time.Time // end of the admission, without holds; zero while waiting
	Claimed    bool
	HeldUntil  time.Time // zero without a live hold
	// OperationID is the operation of the join; zero where nobody wrote it down.
	OperationID uuid.UUID
}
