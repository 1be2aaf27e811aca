package boxoffice

import (
	"math"
	"time"

	"github.com/google/uuid"
)

// PlaceStatus is where a place in line stands. It only moves forward:
// waiting → admitted → completed | expired | left, or waiting → left | expired: a place that
// still waits when sales close has expired.
type PlaceStatus string

// The statuses of a place.
const (
	PlaceWaiting   PlaceStatus = "waiting"
	PlaceAdmitted  PlaceStatus = "admitted"
	PlaceCompleted PlaceStatus = "completed" // used up by a payment
	PlaceExpired   PlaceStatus = "expired"
	PlaceLeft      PlaceStatus = "left"
)

// PlaceRef is what a genuine queue token says of its place.
type PlaceRef struct {
	UserID   uuid.UUID
	Sequence uint64
	JoinedAt time.Time
	EndsAt   time.Time // of its admission; zero while it waits
}

// Place is one user's place in a schedule's line, as its holder sees it.
type Place struct {
	ScheduleID int64
	UserID     uuid.UUID
	Sequence   uint64 // order of joining, from 1, never reused within a schedule
	Status     PlaceStatus
	Position   int           // 1-based rank among those who wait; 0 once admitted
	Waiting    int           // how many wait in all
	ETAMin     time.Duration // both zero while there is no measured rate
	ETAMax     time.Duration
	PollAfter  time.Duration // when asking again is worth it, without jitter
	JoinedAt   time.Time
	AdmittedAt time.Time // zero while waiting
	ExpiresAt  time.Time // sales close while waiting; end of the admission (or of the live hold) after
	// AdmissionEndsAt is AdmittedAt plus the admission TTL, whatever a hold adds; zero
	// while waiting. It is what the queue token carries, so that it never changes.
	AdmissionEndsAt time.Time
	SoldOut         bool
}

// QueueState is what the public queue object says of a waiting room.
type QueueState string

// The states of a waiting room; of several the first that holds.
const (
	QueueClosed  QueueState = "closed"
	QueueSoldOut QueueState = "sold-out"
	QueuePaused  QueueState = "paused"
	QueueOpen    QueueState = "open"
)

// QueueStatus is the public view of a waiting room.
type QueueStatus struct {
	ScheduleID     int64
	State          QueueState
	Waiting        int
	Admitted       int
	Capacity       int
	AdmitPerSecond int // 0 = no limit
	AvailableSeats int
}

// Admission is what a genuine queue token of an admitted place says.
type Admission struct {
	UserID   uuid.UUID
	Sequence uint64
	EndsAt   time.Time // the place's AdmissionEndsAt
}

// MaxCapacity bounds how many people a waiting room may admit at a time.
const MaxCapacity = 100_000

// MaxAdmitPerSecond bounds the admissions per second that can be asked for.
const MaxAdmitPerSecond = math.MaxInt32

// Configure changes the settings of a waiting room that are not nil.
type Configure struct {
	Capacity       *int // 1–MaxCapacity
	AdmitPerSecond *int // ≥ 0; 0 = no limit
	Paused         *bool
}

// Validate refuses settings that no waiting room can have, with every value that is wrong.
func (c Configure) Validate() *Error {
	var p problems
	if c.Capacity != nil {
		p.checkCapacity(*c.Capacity)
	}
	if c.AdmitPerSecond != nil {
		p.checkAdmitPerSecond(*c.AdmitPerSecond)
	}
	return p.refusal()
}

// PlaceEnded is the refusal of a place in line that has ended.
func PlaceEnded() *Error {
	return Errorf(CodeQueueTokenExpired, "this place in line has ended")
}
