package http

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"boxoffice"
)

type newPaymentJSON struct {
	ReservationID uuid.UUID `json:"reservationId" format:"uuid" pattern:"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" patternDescription:"a UUID" example:"01939d3a-5c6e-7c33-8f00-5b2f6d1c9e03"`
}

type paymentJSON struct {
	PaymentID      uuid.UUID               `json:"paymentId" format:"uuid"`
	ReservationID  uuid.UUID               `json:"reservationId" format:"uuid"`
	ConcertID      int64                   `json:"concertId"`
	ScheduleID     int64                   `json:"scheduleId"`
	SeatNumber     int                     `json:"seatNumber"`
	Amount         int64                   `json:"amount"`
	Balance        int64                   `json:"balance" doc:"right after the payment or, once cancelled, its refund"`
	Status         boxoffice.PaymentStatus `json:"status" enum:"completed,cancelled"`
	StartsAt       timestamp               `json:"startsAt"`
	EndsAt         timestamp               `json:"endsAt"`
	PaidAt         timestamp               `json:"paidAt"`
	RefundedAmount *int64                  `json:"refundedAmount,omitempty" doc:"once cancelled"`
	CancelledAt    *timestamp              `json:"cancelledAt,omitempty" doc:"once cancelled"`
}

func paymentPath(id uuid.UUID) string { return "/api/v1/payments/" + id.String() }

func examplePaid() map[string]any {
	return map[string]any{
		"paymentId": examplePayment, "reservationId": exampleReservation, "concertId": 1, "scheduleId": 1, "seatNumber": 17,
		"amount": 12_000, "balance": 38_000, "status": "completed",
		"startsAt": "2026-12-24T19:00:00.000Z", "endsAt": "2026-12-24T21:00:00.000Z", "paidAt": "2026-11-21T09:06:00.000Z",
	}
}

func exampleCancelled() map[string]any {
	cancelled := examplePaid()
	cancelled["status"], cancelled["balance"] = "cancelled", 50_000
	cancelled["refundedAmount"], cancelled["cancelledAt"] = 12_000, "2026-11-21T09:30:00.000Z"
	return cancelled
}

func (a *api) addPayments() {
	handle(a, operation{
		method: http.MethodPost, pattern: "/api/v1/payments", access: signedIn, key: keyRequired,
		id: "pay", tag: tagPayments, summary: "Pay a held seat",
		description: "Takes the points, confirms the seat, writes the history and ends the place in line: all or nothing.",
		status:      http.StatusCreated, headers: []string{"Location", idempotencyReplayedHeader},
		refusals: []boxoffice.Code{
			boxoffice.CodeForbidden, boxoffice.CodeReservationNotFound, boxoffice.CodeInsufficientPoints,
			boxoffice.CodeAlreadyPaid, boxoffice.CodeHoldExpired,
		},
		request: map[string]any{"reservationId": exampleReservation},
		example: examplePaid(),
	}, a.pay)
	handle(a, operation{
		method: http.MethodGet, pattern: "/api/v1/payments/{paymentId}", access: signedIn,
		id: "getPayment", tag: tagPayments, summary: "Read a payment",
		refusals: []boxoffice.Code{boxoffice.CodePaymentNotFound},
		example:  examplePaid(),
	}, a.getPayment)
	handle(a, operation{
		method: http.MethodGet, pattern: "/api/v1/users/{userId}/payments", access: signedIn,
		id: "listPayments", tag: tagPayments, summary: "List a user's payments, newest first, cancelled ones too",
		example: map[string]any{"items": []any{examplePaid()}, "next": nil},
	}, a.listPayments)
	handle(a, operation{
		method: http.MethodPost, pattern: "/api/v1/payments/{paymentId}/cancellation", access: signedIn, key: keyRequired,
		id: "cancelPayment", tag: tagPayments, summary: "Cancel a payment",
		description: "Refunds the points and frees the seat.",
		status:      http.StatusCreated, headers: []string{"Location", idempotencyReplayedHeader},
		refusals: []boxoffice.Code{
			boxoffice.CodeForbidden, boxoffice.CodePaymentNotFound, boxoffice.CodeAlreadyCancelled, boxoffice.CodeCancellationClosed,
		},
		example: exampleCancelled(),
	}, a.cancelPayment)
}

func (a *api) pay(ctx context.Context, req *request, body newPaymentJSON) (paymentJSON, error) {
	return a.paid(ctx, req, func() (boxoffice.Outcome, error) {
		scheduleID, err := a.scheduleOf(ctx, req, body.ReservationID)
		if err != nil {
			return boxoffice.Outcome{}, err
		}
		return a.Seats.Pay(ctx, scheduleID, req.operation, body.ReservationID, req.caller.UserID)
	})
}

func (a *api) cancelPayment(ctx context.Context, req *request, _ none) (paymentJSON, error) {
	return a.paid(ctx, req, func() (boxoffice.Outcome, error) {
		payment, err := a.paymentOf(ctx, req, false)
		if err != nil {
			return boxoffice.Outcome{}, err
		}
		return a.Seats.CancelSale(ctx, payment.ScheduleID, req.operation, payment.ID, req.caller.UserID)
	})
}

// paid returns the answer to a payment or its cancellation.
func (a *api) paid(ctx context.Context, req *request, do func() (boxoffice.Outcome, error)) (paymentJSON, error) {
	outcome, err := a.decided(ctx, req, do)
	if err != nil {
		return paymentJSON{}, err
	}
	if outcome.Payment == nil {
		return paymentJSON{}, errors.New("the outcome has no payment")
	}
	req.header.Set("Location", paymentPath(outcome.Payment.ID))
	return renderPayment(*outcome.Payment), nil
}

func (a *api) getPayment(ctx context.Context, req *request, _ none) (paymentJSON, error) {
	payment, err := a.paymentOf(ctx, req, true)
	return renderPayment(payment), err
}

func (a *api) listPayments(ctx context.Context, req *request, query PageQuery) (listJSON[paymentJSON], error) {
	page, err := a.Payments.UserPayments(ctx, req.userID, query.request())
	return listOf(page, renderPayment), err
}

// paymentOf reads the payment of the path as reservationOf reads reservations.
func (a *api) paymentOf(ctx context.Context, req *request, reads bool) (boxoffice.Payment, error) {
	notFound := boxoffice.Errorf(boxoffice.CodePaymentNotFound, "you have no such payment")
	id := pathID(ctx, paymentParam)
	if id == uuid.Nil {
		return boxoffice.Payment{}, notFound
	}
	payment, err := a.Payments.Payment(ctx, id)
	if err != nil {
		return boxoffice.Payment{}, err
	}
	return payment, req.mayTouch(payment.UserID, reads, notFound)
}

func renderPayment(payment boxoffice.Payment) paymentJSON {
	rendered := paymentJSON{
		PaymentID:     payment.ID,
		ReservationID: payment.ReservationID,
		ConcertID:     payment.ConcertID,
		ScheduleID:    payment.ScheduleID,
		SeatNumber:    payment.SeatNumber,
		Amount:        payment.Amount,
		Balance:       payment.Balance,
		Status:        payment.Status,
		StartsAt:      timestamp(payment.StartsAt),
		EndsAt:        timestamp(payment.EndsAt),
		PaidAt:        timestamp(payment.PaidAt),
	}
	if payment.Status == boxoffice.PaymentCancelled {
		rendered.RefundedAmount = new(payment.RefundedAmount)
		rendered.CancelledAt = optionalTime(payment.CancelledAt)
	}
	return rendered
}
