package boxoffice

import (
	"time"

	"github.com/google/uuid"
)

// ReservationStatus is the state of a reservation: held → confirmed → cancelled, or held →
// expired | released.
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

// Payment is points taken for a seat, and refunded if it was cancelled.
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
