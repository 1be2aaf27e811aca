package workload

import (
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"boxoffice/chaos/history"
)

// user is one buyer. Only one client acts for it.
type user struct {
	id     uuid.UUID
	access string
	places map[int64]string    // queue tokens, by schedule
	paid   map[int64]uuid.UUID // payments that were not cancelled, by schedule
}

func (u *user) ask(kind history.Kind, method, path string, body any) ask {
	return ask{
		kind: kind, method: method, path: path, body: body, access: u.access,
		request: history.Request{UserID: u.id},
	}
}

func (q ask) keyed(key string) ask {
	q.request.Key = key
	return q
}

func (q ask) aborted(f Visit) ask {
	q.abort = f.Abort
	return q
}

// with sends the user's queue token along, and notes what it says.
func (q ask) with(u *user, scheduleID int64) ask {
	return q.withToken(scheduleID, u.places[scheduleID])
}

func (q ask) withToken(scheduleID int64, token string) ask {
	q.place = token
	q.request.ScheduleID = scheduleID
	if q.place != "" {
		q.request.Place, _ = history.ReadToken(q.place) // it was read when it came
	}
	return q
}

func registerAsk(name string) ask {
	return ask{kind: history.Register, method: http.MethodPost, path: "/api/v1/users", body: map[string]any{"name": name}}
}

func (u *user) charge(amount int64) ask {
	q := u.ask(history.Charge, http.MethodPost, "/api/v1/users/"+u.id.String()+"/points/charges", map[string]any{"amount": amount})
	q.request.Amount = amount
	return q
}

func (u *user) points() ask {
	return u.ask(history.Points, http.MethodGet, "/api/v1/users/"+u.id.String()+"/points", nil)
}

func (u *user) ledger() ask {
	return u.ask(history.Ledger, http.MethodGet, "/api/v1/users/"+u.id.String()+"/points/history", nil)
}

func (u *user) join(scheduleID int64) ask {
	q := u.ask(history.Join, http.MethodPost, fmt.Sprintf("/api/v1/schedules/%d/queue-tokens", scheduleID), nil)
	q.request.ScheduleID = scheduleID
	return q
}

func (u *user) place(scheduleID int64) ask { return u.placeWith(scheduleID, u.places[scheduleID]) }

func (u *user) placeWith(scheduleID int64, token string) ask {
	return u.ask(history.Place, http.MethodGet, fmt.Sprintf("/api/v1/schedules/%d/queue-tokens/me", scheduleID), nil).
		withToken(scheduleID, token)
}

// queueAsk asks for what everybody may see of a waiting room.
func queueAsk(scheduleID int64) ask {
	return ask{
		kind: history.Queue, method: http.MethodGet, path: fmt.Sprintf("/api/v1/schedules/%d/queue", scheduleID),
		request: history.Request{ScheduleID: scheduleID},
	}
}

func (u *user) leave(scheduleID int64) ask {
	return u.ask(history.Leave, http.MethodDelete, fmt.Sprintf("/api/v1/schedules/%d/queue-tokens/me", scheduleID), nil).with(u, scheduleID)
}

func (u *user) seats(scheduleID int64) ask {
	return u.ask(history.Seats, http.MethodGet, fmt.Sprintf("/api/v1/schedules/%d/seats", scheduleID), nil).with(u, scheduleID)
}

func (u *user) hold(scheduleID int64, seat int) ask {
	q := u.ask(history.Hold, http.MethodPost, fmt.Sprintf("/api/v1/schedules/%d/reservations", scheduleID),
		map[string]any{"seatNumber": seat}).with(u, scheduleID)
	q.request.SeatNumber = seat
	return q
}

func (u *user) reservations() ask {
	return u.ask(history.MyHolds, http.MethodGet, "/api/v1/users/"+u.id.String()+"/reservations?limit=100", nil)
}

func (u *user) reservation(scheduleID int64, id uuid.UUID) ask {
	return u.about(history.Reservation, http.MethodGet, scheduleID, id)
}

func (u *user) release(scheduleID int64, id uuid.UUID) ask {
	return u.about(history.Release, http.MethodDelete, scheduleID, id)
}

func (u *user) about(kind history.Kind, method string, scheduleID int64, id uuid.UUID) ask {
	q := u.ask(kind, method, "/api/v1/reservations/"+id.String(), nil)
	q.request.ScheduleID, q.request.ReservationID = scheduleID, id
	return q
}

func (u *user) pay(scheduleID int64, reservation uuid.UUID) ask {
	q := u.ask(history.Pay, http.MethodPost, "/api/v1/payments", map[string]any{"reservationId": reservation})
	q.request.ScheduleID, q.request.ReservationID = scheduleID, reservation
	return q
}

func (u *user) payment(scheduleID int64, id uuid.UUID) ask {
	q := u.ask(history.Payment, http.MethodGet, "/api/v1/payments/"+id.String(), nil)
	q.request.ScheduleID, q.request.PaymentID = scheduleID, id
	return q
}

func (u *user) cancel(scheduleID int64, payment uuid.UUID) ask {
	q := u.ask(history.Cancel, http.MethodPost, "/api/v1/payments/"+payment.String()+"/cancellation", map[string]any{})
	q.request.ScheduleID, q.request.PaymentID = scheduleID, payment
	return q
}
