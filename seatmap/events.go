package seatmap

import (
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Events of a [Schedule].
type (
	// ScheduleOpened is a schedule's first event: its terms never change after.
	Opened struct {
		Terms boxoffice.Terms `json:"terms"`
	}
	// SeatWasHeld keeps a seat for a user until ExpiresAt.
	Held struct {
		ReservationID uuid.UUID `json:"reservationId"`
		UserID        uuid.UUID `json:"userId"`
		Sequence      uint64    `json:"sequence"` // the holder's place in line
		SeatNumber    int       `json:"seatNumber"`
		Price         int64     `json:"price"`
		ExpiresAt     time.Time `json:"expiresAt"`
	}
	// SeatWasReleased frees a held seat because its holder said so.
	Released struct {
		ReservationID uuid.UUID `json:"reservationId"`
		SeatNumber    int       `json:"seatNumber"`
		Sequence      uint64    `json:"sequence"`
	}
	// HoldExpired frees a held seat because its time was over. At is when that was
	// written down; the seat was free from the hold's ExpiresAt on.
	Expired struct {
		ReservationID uuid.UUID `json:"reservationId"`
		SeatNumber    int       `json:"seatNumber"`
		Sequence      uint64    `json:"sequence"`
	}
	// SeatWasConfirmed sells a held seat: points are taken, the place in line ends.
	Confirmed struct {
		PaymentID     uuid.UUID `json:"paymentId"`
		ReservationID uuid.UUID `json:"reservationId"`
		UserID        uuid.UUID `json:"userId"`
		Sequence      uint64    `json:"sequence"`
		SeatNumber    int       `json:"seatNumber"`
		Amount        int64     `json:"amount"`
	}
	// SaleWasCancelled refunds a sold seat and frees it.
	Cancelled struct {
		PaymentID     uuid.UUID `json:"paymentId"`
		ReservationID uuid.UUID `json:"reservationId"`
		UserID        uuid.UUID `json:"userId"`
		SeatNumber    int       `json:"seatNumber"`
		Amount        int64     `json:"amount"` // given back
	}
)

func (Opened) EventType() string    { return "schedule-opened" }
func (Held) EventType() string      { return "seat-held" }
func (Released) EventType() string  { return "seat-released" }
func (Expired) EventType() string   { return "hold-expired" }
func (Confirmed) EventType() string { return "seat-confirmed" }
func (Cancelled) EventType() string { return "sale-cancelled" }
