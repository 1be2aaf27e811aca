package seatmap

import (
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Commands of a [Schedule].
type (
	// Hold keeps a seat for the admitted user. ReservationID is what it gets if new.
	Hold struct {
		boxoffice.Operation
		boxoffice.Admission
		ReservationID uuid.UUID
		SeatNumber    int           // 1–SeatCount
		TTL           time.Duration // how long the hold lasts
	}
	// Release gives a held seat back.
	Release struct {
		boxoffice.Operation
		ReservationID uuid.UUID
		UserID        uuid.UUID
	}
	// Pay buys a held seat. PaymentID is what the payment gets if new.
	Pay struct {
		boxoffice.Operation
		PaymentID     uuid.UUID
		ReservationID uuid.UUID
		UserID        uuid.UUID
	}
	// CancelSale refunds a payment and frees its seat.
	Cancel struct {
		boxoffice.Operation
		PaymentID uuid.UUID
		UserID    uuid.UUID
	}
	// EndPlace releases what the place's holder holds unpaid, and refuses the place's
	// token from then on: its holder leaves the line.
	EndPlace struct {
		boxoffice.Operation
		UserID   uuid.UUID
		Sequence uint64
	}
)
