package boxoffice

import (
	"time"

	"github.com/google/uuid"
)

// Event is one fact that a state machine decided. Facts are kept for ever in the
// form that [EncodeEvent] gives them.
type Event struct {
	At time.Time
	// OperationID is the operation that caused it; zero for what time caused.
	OperationID uuid.UUID
	Data        EventData
}

// EventData is the payload of an event: one of the structs of this file.
type EventData interface{ eventType() string }

// Events of a [Schedule].
type (
	// ScheduleOpened is a schedule's first event: its terms never change after.
	ScheduleOpened struct {
		Terms Terms `json:"terms"`
	}
	// SeatWasHeld keeps a seat for a user until ExpiresAt.
	SeatWasHeld struct {
		ReservationID uuid.UUID `json:"reservationId"`
		UserID        uuid.UUID `json:"userId"`
		Sequence      uint64    `json:"sequence"` // the holder's place in line
		SeatNumber    int       `json:"seatNumber"`
		Price         int64     `json:"price"`
		ExpiresAt     time.Time `json:"expiresAt"`
	}
	// SeatWasReleased frees a held seat because its holder said so.
	SeatWasReleased struct {
		ReservationID uuid.UUID `json:"reservationId"`
		SeatNumber    int       `json:"seatNumber"`
		Sequence      uint64    `json:"sequence"`
	}
	// HoldExpired frees a held seat because its time was over. At is when that was
	// written down; the seat was free from the hold's ExpiresAt on.
	HoldExpired struct {
		ReservationID uuid.UUID `json:"reservationId"`
		SeatNumber    int       `json:"seatNumber"`
		Sequence      uint64    `json:"sequence"`
	}
	// SeatWasConfirmed sells a held seat: points are taken, the place in line ends.
	SeatWasConfirmed struct {
		PaymentID     uuid.UUID `json:"paymentId"`
		ReservationID uuid.UUID `json:"reservationId"`
		UserID        uuid.UUID `json:"userId"`
		Sequence      uint64    `json:"sequence"`
		SeatNumber    int       `json:"seatNumber"`
		Amount        int64     `json:"amount"`
	}
	// SaleWasCancelled refunds a sold seat and frees it.
	SaleWasCancelled struct {
		PaymentID     uuid.UUID `json:"paymentId"`
		ReservationID uuid.UUID `json:"reservationId"`
		UserID        uuid.UUID `json:"userId"`
		SeatNumber    int       `json:"seatNumber"`
		Amount        int64     `json:"amount"` // given back
	}
)

// Events of a [WaitingRoom].
type (
	// QueueOpened is a waiting room's first event.
	QueueOpened struct {
		SalesOpenAt    time.Time `json:"salesOpenAt"`
		SalesCloseAt   time.Time `json:"salesCloseAt"`
		Capacity       int       `json:"capacity"`
		AdmitPerSecond int       `json:"admitPerSecond"`
	}
	// QueueConfigured replaces the room's settings.
	QueueConfigured struct {
		Capacity       int  `json:"capacity"`
		AdmitPerSecond int  `json:"admitPerSecond"`
		Paused         bool `json:"paused"`
	}
	// PlacesJoined puts users at the end of the line, in this order; the first gets
	// sequence number First, the next First+1 and so on.
	PlacesJoined struct {
		First   uint64      `json:"first"`
		UserIDs []uuid.UUID `json:"userIds"`
	}
	// PlacesAdmitted lets places in. Claimed ones were told in the same breath (a
	// join that is admitted at once); the others must be seen within the claim TTL.
	PlacesAdmitted struct {
		Sequences []uint64  `json:"sequences"`
		EndsAt    time.Time `json:"endsAt"` // At plus the admission TTL
		Claimed   bool      `json:"claimed,omitempty"`
	}
	// PlacesClaimed notes that the holders of admitted places were seen.
	PlacesClaimed struct {
		Sequences []uint64 `json:"sequences"`
	}
	// PlacesEnded ends places. The status is why the waiting room ended them; where a
	// schedule completed a place first, its row keeps that.
	PlacesEnded struct {
		Sequences []uint64    `json:"sequences"`
		Status    PlaceStatus `json:"status"` // completed, expired or left
	}
)

func (ScheduleOpened) eventType() string   { return "schedule-opened" }
func (SeatWasHeld) eventType() string      { return "seat-held" }
func (SeatWasReleased) eventType() string  { return "seat-released" }
func (HoldExpired) eventType() string      { return "hold-expired" }
func (SeatWasConfirmed) eventType() string { return "seat-confirmed" }
func (SaleWasCancelled) eventType() string { return "sale-cancelled" }
func (QueueOpened) eventType() string      { return "queue-opened" }
func (QueueConfigured) eventType() string  { return "queue-configured" }
func (PlacesJoined) eventType() string     { return "places-joined" }
func (PlacesAdmitted) eventType() string   { return "places-admitted" }
func (PlacesClaimed) eventType() string    { return "places-claimed" }
func (PlacesEnded) eventType() string      { return "places-ended" }
