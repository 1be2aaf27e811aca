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

// Place is one user's place in a schedule's line, as the user sees it.
type Place struct {
	ScheduleID int64
	UserID     uuid.UUID
	Sequence   uint64 // order of joining, from 1, never reused within a schedule
	Status     PlaceStatus
	Position   int           // 1-based rank among those who wait; 0 once admitted
	Waiting    int           // how many wait in total
	ETAMin     time.Duration // both zero while there is no measured rate
	ETAMax     time.Duration
	PollAfter  time.Duration // how long to wait before asking again, without jitter
	JoinedAt   time.Time
	AdmittedAt time.Time // zero while waiting
	ExpiresAt  time.Time // sales close while waiting; end of the admission (or of the live hold) after
	// AdmissionEndsAt is AdmittedAt plus the admission TTL, without the time that a hold
	// adds; zero while waiting. The queue token carries it, so it never changes.
	AdmissionEndsAt time.Time
	SoldOut         bool
}

// QueueState is the state of a waiting room as the public queue object shows it.
type QueueState string

// The states of a waiting room; if several apply, the first counts.
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

// MaxAdmitPerSecond bounds the admissions per second that can be configured.
const MaxAdmitPerSecond = math.MaxInt32

// Configure changes the settings of a waiting room that are not nil.
type Configure struct {
	Capacity       *int // 1–MaxCapacity
	AdmitPerSecond *int // ≥ 0; 0 = no limit
	Paused         *bool
}

// Validate refuses settings that no waiting room can have, and lists every wrong value.
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

// PlaceEnded returns the refusal for a place in line that has ended.
func PlaceEnded() *Error {
	return Errorf(CodeQueueTokenExpired, "this place in line has ended")
}
