package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"boxoffice"

	"boxoffice/seatmap"
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
	handleRaw[paymentJSON](a, operation{
		route: route{
			method: http.MethodPost, pattern: "/api/v1/payments",
			access: signedIn, body: bodyObject, key: keyRequired, schema: schemaOf[newPaymentJSON](a), quick: quickPayment,
		},
		id:          "pay",
		tag:         tagPayments,
		summary:     "Pay a held seat",
		description: "Takes the points, confirms the seat, writes the history and ends the place in line: all of it or nothing.",
		status:      http.StatusCreated,
		headers:     []string{"Location", idempotencyReplayedHeader},
		refusals: []boxoffice.Code{
			boxoffice.CodeForbidden, boxoffice.CodeReservationNotFound, boxoffice.CodeInsufficientPoints,
			boxoffice.CodeAlreadyPaid, boxoffice.CodeHoldExpired,
		},
		request: map[string]any{"reservationId": exampleReservation},
		example: examplePaid(),
	}, a.pay)
	handle(a, operation{
		route:    route{method: http.MethodGet, pattern: "/api/v1/payments/{paymentId}", access: signedIn},
		id:       "getPayment",
		tag:      tagPayments,
		summary:  "Read a payment",
		status:   http.StatusOK,
		refusals: []boxoffice.Code{boxoffice.CodePaymentNotFound},
		example:  examplePaid(),
	}, a.getPayment)
	handle(a, operation{
		route:    route{method: http.MethodGet, pattern: "/api/v1/users/{userId}/payments", access: signedIn},
		id:       "listPayments",
		tag:      tagPayments,
		summary:  "List a user's payments, newest first, cancelled ones too",
		status:   http.StatusOK,
		refusals: []boxoffice.Code{boxoffice.CodeInvalidRequest},
		example:  map[string]any{"items": []any{examplePaid()}, "next": nil},
	}, a.listPayments)
	handle(a, operation{
		route:       route{method: http.MethodPost, pattern: "/api/v1/payments/{paymentId}/cancellation", access: signedIn, body: bodyEmpty, key: keyRequired},
		id:          "cancelPayment",
		tag:         tagPayments,
		summary:     "Cancel a payment",
		description: "Gives the points back and frees the seat.",
		status:      http.StatusCreated,
		headers:     []string{"Location", idempotencyReplayedHeader},
		refusals: []boxoffice.Code{
			boxoffice.CodeForbidden, boxoffice.CodePaymentNotFound, boxoffice.CodeAlreadyCancelled, boxoffice.CodeCancellationClosed,
		},
		example: exampleCancelled(),
	}, a.cancelPayment)
}

// quickPayment reads {"reservationId":"ID"}, which is what everybody sends.
func quickPayment(data []byte) any {
	text, ok := bytes.CutPrefix(data, []byte(`{"reservationId":"`))
	text, closed := bytes.CutSuffix(text, []byte(`"}`))
	id, valid := parseUUID(string(text))
	if !ok || !closed || !valid {
		return nil
	}
	return newPaymentJSON{ReservationID: id}
}

func (a *api) pay(_ http.ResponseWriter, _ *http.Request, c *call) error {
	body, ok := c.body.(newPaymentJSON)
	if !ok {
		var err error
		if body, err = values[newPaymentJSON](a, c); err != nil {
			return err
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a payment's id: %w", err)
	}
	rendered, err := a.paid(c, func() (boxoffice.Outcome, error) {
		scheduleID, err := a.scheduleOf(&c.ctx, c, body.ReservationID)
		if err != nil {
			return boxoffice.Outcome{}, err
		}
		return a.seats.Pay(c.ctx.brief(), scheduleID, seatmap.Pay{
			Operation:     c.operation,
			PaymentID:     id,
			ReservationID: body.ReservationID,
			UserID:        c.caller.UserID,
		})
	})
	if err != nil {
		return err
	}
	buffer := a.buffers.Get().(*answerBuffer)
	buffer.bytes = rendered.appendTo(buffer.bytes[:0])
	c.write(http.StatusCreated, jsonType, buffer.bytes)
	a.buffers.Put(buffer)
	return nil
}

func (a *api) cancelPayment(ctx context.Context, c *call, _ *noQuery) (paymentJSON, error) {
	if _, err := values[struct{}](a, c); err != nil {
		return paymentJSON{}, err
	}
	return a.paid(c, func() (boxoffice.Outcome, error) {
		payment, err := a.paymentOf(ctx, c, false)
		if err != nil {
			return boxoffice.Outcome{}, err
		}
		return a.seats.CancelSale(ctx, payment.ScheduleID, seatmap.Cancel{
			Operation: c.operation,
			PaymentID: payment.ID,
			UserID:    c.caller.UserID,
		})
	})
}

// paid answers a payment or its cancellation.
func (a *api) paid(c *call, do func() (boxoffice.Outcome, error)) (paymentJSON, error) {
	outcome, err := a.decided(c, do)
	if err != nil {
		return paymentJSON{}, err
	}
	if outcome.Payment == nil {
		return paymentJSON{}, errors.New("the outcome has no payment")
	}
	c.set("Location", paymentPath(outcome.Payment.ID))
	return renderPayment(*outcome.Payment), nil
}

func (a *api) getPayment(ctx context.Context, c *call, _ *noQuery) (paymentJSON, error) {
	payment, err := a.paymentOf(ctx, c, true)
	return renderPayment(payment), err
}

func (a *api) listPayments(ctx context.Context, c *call, query *PageQuery) (listJSON[paymentJSON], error) {
	page, err := a.payments.UserPayments(ctx, c.userID, query.request())
	return listOf(page, renderPayment), err
}

// paymentOf reads the payment of the path as reservationOf reads reservations.
func (a *api) paymentOf(ctx context.Context, c *call, reads bool) (boxoffice.Payment, error) {
	notFound := boxoffice.Errorf(boxoffice.CodePaymentNotFound, "you have no such payment")
	if c.pathID == uuid.Nil {
		return boxoffice.Payment{}, notFound
	}
	payment, err := a.payments.Payment(ctx, c.pathID)
	if err != nil {
		return boxoffice.Payment{}, err
	}
	return payment, c.mayTouch(payment.UserID, reads, notFound)
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
