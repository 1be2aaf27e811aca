package boxoffice

import (
	"time"

	"github.com/google/uuid"
)

// User is somebody who can queue, charge points and buy.
type User struct {
	ID        uuid.UUID
	Name      string
	CreatedAt time.Time
}

// Concert is what is played; its schedules are when.
type Concert struct {
	ID          int64
	Title       string
	Artist      string
	Description string
	Price       int64 // the default price of a seat, in points
}

// ScheduleInfo is one schedule as the catalogue shows it.
type ScheduleInfo struct {
	Terms          Terms
	Title          string // the concert's
	AvailableSeats int    // at most 1 s old
}

// ReservationStatus tells where a reservation is in its life:
// held → confirmed → cancelled, or held → expired | released.
type ReservationStatus string

// The statuses of a reservation.
const (
	ReservationHeld      ReservationStatus = "held"
	ReservationConfirmed ReservationStatus = "confirmed"
	ReservationExpired   ReservationStatus = "expired"
	ReservationReleased  ReservationStatus = "released"
	ReservationCancelled ReservationStatus = "cancelled"
)

// Reservation is one user's claim on one seat.
type Reservation struct {
	ID         uuid.UUID         `json:"id"`
	ConcertID  int64             `json:"concertId"`
	ScheduleID int64             `json:"scheduleId"`
	SeatNumber int               `json:"seatNumber"`
	UserID     uuid.UUID         `json:"userId"`
	Status     ReservationStatus `json:"status"`
	Price      int64             `json:"price"` // fixed when the hold was taken
	CreatedAt  time.Time         `json:"createdAt"`
	ExpiresAt  time.Time         `json:"expiresAt,omitzero"` // zero unless held
	PaymentID  uuid.UUID         `json:"paymentId,omitzero"` // zero until paid
}

// PaymentStatus is completed, and cancelled once refunded.
type PaymentStatus string

// The statuses of a payment.
const (
	PaymentCompleted PaymentStatus = "completed"
	PaymentCancelled PaymentStatus = "cancelled"
)

// Payment is points taken for a seat, and given back if it was cancelled.
type Payment struct {
	ID             uuid.UUID     `json:"id"`
	ReservationID  uuid.UUID     `json:"reservationId"`
	ConcertID      int64         `json:"concertId"`
	ScheduleID     int64         `json:"scheduleId"`
	SeatNumber     int           `json:"seatNumber"`
	UserID         uuid.UUID     `json:"userId"`
	Amount         int64         `json:"amount"`
	Balance        int64         `json:"balance"` // of the account right after the payment or its refund
	Status         PaymentStatus `json:"status"`
	StartsAt       time.Time     `json:"startsAt"`
	EndsAt         time.Time     `json:"endsAt"`
	PaidAt         time.Time     `json:"paidAt"`
	RefundedAmount int64         `json:"refundedAmount,omitempty"`
	CancelledAt    time.Time     `json:"cancelledAt,omitzero"` // zero unless cancelled
}

// EntryType names why points moved.
type EntryType string

// The types of a ledger entry.
const (
	EntryCharge  EntryType = "charge"
	EntryPayment EntryType = "payment"
	EntryRefund  EntryType = "refund"
)

// LedgerEntry is one movement of points on a user's account.
type LedgerEntry struct {
	ID           uuid.UUID `json:"id"`
	Type         EntryType `json:"type"`
	Amount       int64     `json:"amount"` // signed
	BalanceAfter int64     `json:"balanceAfter"`
	PaymentID    uuid.UUID `json:"paymentId,omitzero"` // zero for charges
	CreatedAt    time.Time `json:"createdAt"`
}

// SeatStatus is what the seat map shows of a seat.
type SeatStatus uint8

// The statuses of a seat. Nodes tell them to each other by number.
const (
	SeatAvailable SeatStatus = iota
	SeatHeld
	SeatSold
)

func (s SeatStatus) String() string { return [...]string{"available", "held", "sold"}[s] }

// SeatMap is the seats of a schedule at one version. Index 0 is seat 1.
type SeatMap struct {
	ScheduleID int64
	Version    int64 // grows with every change of a seat
	Statuses   [SeatCount]SeatStatus
	// Prices are the same at every version, shared by the maps that were made from one
	// another: nobody changes them.
	Prices *[SeatCount]int64
}

// SeatNews is what somebody who follows the seats of a schedule is told.
type SeatNews struct {
	// Map is how the seats stand. It is shared: nobody changes it.
	Map *SeatMap
	// Changes are what happened after the version that was asked for, oldest first.
	Changes []SeatChange
	// Complete tells that Changes lead from the version that was asked for to Map. If
	// not, nobody knows what lies between, and the whole map has to be shown.
	Complete bool
	// Changed is closed when it is worth asking again: the seats have changed, or a place
	// has ended, or this may not be the newest any more. That the admission of who asks
	// runs out does not close it.
	Changed <-chan struct{}
}

// SeatChange is one change of one seat.
type SeatChange struct {
	Version    int64 // of the map after it; no two changes share one
	SeatNumber int
	Status     SeatStatus
}

// PlaceStatus is where a place in line stands. It only moves forward:
// waiting → admitted → completed | expired | left, or waiting → left. A place that still
// waits when sales close has expired, without anybody writing that down.
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
