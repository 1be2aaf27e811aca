package history

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Kind is what a request asks for.
type Kind string

// The kinds of request, one per call of the contract that the workload makes.
const (
	Register    Kind = "register"
	Charge      Kind = "charge"
	Points      Kind = "points"
	Ledger      Kind = "ledger" // the history of points
	Join        Kind = "join"
	Place       Kind = "place"
	Leave       Kind = "leave"
	Queue       Kind = "queue" // what everybody may see of a waiting room
	Seats       Kind = "seats"
	Hold        Kind = "hold"
	Reservation Kind = "reservation" // reading one
	MyHolds     Kind = "reservations"
	Release     Kind = "release"
	Pay         Kind = "pay"
	Payment     Kind = "payment" // reading one
	Cancel      Kind = "cancel"
)

// Served reports whether an answer to a request of this kind shows that the grains of its
// schedule are at work: only those count for how long a schedule was out.
func (k Kind) Served() bool {
	switch k {
	case Join, Leave, Hold, Release, Pay, Cancel:
		return true
	default:
		return false
	}
}

// Result is what a client knows about a request when it is over.
type Result string

// The results.
const (
	// OK: a 2xx (or 304) that arrived whole.
	OK Result = "ok"
	// Refused: a definite no, with a code.
	Refused Result = "refused"
	// Failed for sure: the request never left, because nobody took the connection.
	Failed Result = "failed"
	// Unknown: a timeout, a broken connection, a 5xx. It may have happened, it may still.
	Unknown Result = "unknown"
)

// Definite reports whether the service has answered: what it said then binds it.
func (r Result) Definite() bool { return r == OK || r == Refused }

// Operation is one request of one client: what was asked, when, and what came back.
type Operation struct {
	Number int  `json:"number"` // in order of return, from 1
	Client int  `json:"client"`
	Node   int  `json:"node"` // that was asked
	Kind   Kind `json:"kind"`

	// Call and Return are since the start of the run, of one monotonic clock.
	Call   time.Duration `json:"call"`
	Return time.Duration `json:"return"`
	Result Result        `json:"result"`
	Status int           `json:"status,omitzero"` // 0: no response
	Code   string        `json:"code,omitzero"`   // of a problem
	Error  string        `json:"error,omitzero"`  // of the connection

	Request Request `json:"request"`
	Answer  Answer  `json:"answer,omitzero"`
	// Body is the answer as it came, where that matters: to requests with a key, and of
	// refusals.
	Body json.RawMessage `json:"body,omitempty"`
	// Replayed is true if the answer is marked as given before.
	Replayed bool `json:"replayed,omitzero"`
}

// Request is what was asked; what a kind has no use for is zero.
type Request struct {
	UserID        uuid.UUID `json:"userId,omitzero"`
	ScheduleID    int64     `json:"scheduleId,omitzero"`
	SeatNumber    int       `json:"seatNumber,omitzero"`
	ReservationID uuid.UUID `json:"reservationId,omitzero"`
	PaymentID     uuid.UUID `json:"paymentId,omitzero"`
	Amount        int64     `json:"amount,omitzero"`
	Key           string    `json:"key,omitzero"`
	// KeyReused is true if another request had the key before, on purpose.
	KeyReused bool `json:"keyReused,omitzero"`
	// Place is what the queue token says that was sent along.
	Place Token `json:"place,omitzero"`
}

// Answer is the body of an answer: of any success of the contract, or what a problem
// adds. What it does not have is zero, or nil where zero means something.
type Answer struct {
	UserID          uuid.UUID  `json:"userId,omitzero"`
	EntryID         uuid.UUID  `json:"entryId,omitzero"`
	ScheduleID      int64      `json:"scheduleId,omitzero"`
	ReservationID   uuid.UUID  `json:"reservationId,omitzero"`
	PaymentID       *uuid.UUID `json:"paymentId,omitempty"`
	SeatNumber      int        `json:"seatNumber,omitzero"`
	Status          any        `json:"status,omitempty"` // a word, or the status of a problem
	Amount          int64      `json:"amount,omitzero"`
	RefundedAmount  int64      `json:"refundedAmount,omitzero"`
	Balance         *int64     `json:"balance,omitempty"`
	ExpiresAt       *time.Time `json:"expiresAt,omitempty"`
	AvailableSeats  []int      `json:"availableSeats,omitempty"`
	AccessToken     string     `json:"accessToken,omitzero"`
	Token           string     `json:"token,omitzero"` // of a place
	Place           Token      `json:"place,omitzero"` // what Token says
	Position        int        `json:"position,omitzero"`
	JoinedAt        *time.Time `json:"joinedAt,omitempty"`
	PollAfterMillis int64      `json:"pollAfterMs,omitzero"`
	Version         int64      `json:"version,omitzero"`
	Seats           SeatMap    `json:"seats,omitzero"`
	Items           []Item     `json:"items,omitempty"`
	Queue           *QueueView `json:"queue,omitempty"`
}

// QueueView is what everybody may see of a waiting room.
type QueueView struct {
	State          string `json:"state"`
	Waiting        int    `json:"waiting"`
	Admitted       int    `json:"admitted"`
	Capacity       int    `json:"capacity"`
	AdmitPerSecond int    `json:"admitPerSecond"`
	AvailableSeats int    `json:"availableSeats"`
}

// Word is the answer's status where that is a word of the contract.
func (a Answer) Word() string {
	word, _ := a.Status.(string)
	return word
}

// PaymentUUID is the payment that the answer names, or the zero UUID.
func (a Answer) PaymentUUID() uuid.UUID {
	if a.PaymentID == nil {
		return uuid.Nil
	}
	return *a.PaymentID
}

// Item is one entry of a list: a reservation, or a movement of points.
type Item struct {
	ReservationID uuid.UUID  `json:"reservationId,omitzero"`
	PaymentID     *uuid.UUID `json:"paymentId,omitempty"`
	ScheduleID    int64      `json:"scheduleId,omitzero"`
	SeatNumber    int        `json:"seatNumber,omitzero"`
	Status        string     `json:"status,omitzero"`
	ExpiresAt     *time.Time `json:"expiresAt,omitempty"`
	EntryID       uuid.UUID  `json:"entryId,omitzero"`
	Type          string     `json:"type,omitzero"`
	Amount        int64      `json:"amount,omitzero"`
	BalanceAfter  int64      `json:"balanceAfter,omitzero"`
}
