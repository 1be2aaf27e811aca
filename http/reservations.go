package http

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

type reservationJSON struct {
	ReservationID    uuid.UUID                   `json:"reservationId" format:"uuid"`
	ConcertID        int64                       `json:"concertId"`
	ScheduleID       int64                       `json:"scheduleId"`
	SeatNumber       int                         `json:"seatNumber"`
	UserID           uuid.UUID                   `json:"userId" format:"uuid"`
	Status           boxoffice.ReservationStatus `json:"status" enum:"held,confirmed,expired,released,cancelled"`
	Price            int64                       `json:"price" doc:"as it was when the hold was taken"`
	CreatedAt        timestamp                   `json:"createdAt"`
	ExpiresAt        *timestamp                  `json:"expiresAt" nullable:"true" doc:"null unless held"`
	ExpiresInSeconds *int                        `json:"expiresInSeconds" minimum:"0" doc:"null unless held"`
	PaymentID        *uuid.UUID                  `json:"paymentId" format:"uuid" nullable:"true" doc:"null until paid"`
}

type newReservationJSON struct {
	SeatNumber int `json:"seatNumber" minimum:"1" maximum:"50" example:"17"`
}

// reservationsQuery is the query of a user's reservations.
type reservationsQuery struct {
	Status string `json:"status,omitempty" enum:"held,confirmed,expired,released,cancelled" doc:"only those of this status"`
	PageQuery
}

const reservationPattern = "/api/v1/reservations/{reservationId}"

func reservationPath(id uuid.UUID) string { return "/api/v1/reservations/" + id.String() }

func exampleHold() map[string]any {
	return map[string]any{
		"reservationId": exampleReservation, "concertId": 1, "scheduleId": 1, "seatNumber": 17, "userId": exampleUser,
		"status": "held", "price": 12_000, "createdAt": "2026-11-21T09:05:00.000Z",
		"expiresAt": "2026-11-21T09:10:00.000Z", "expiresInSeconds": 300, "paymentId": nil,
	}
}

func (a *api) addReservations() {
	handle(a, operation{
		method: http.MethodPost, pattern: "/api/v1/schedules/{scheduleId}/reservations",
		access: usersOnly, guarded: true, key: keyHonoured,
		id: "holdSeat", tag: tagSeats, summary: "Hold a seat",
		description: "201 with a new hold; 200 with the same hold if the caller already holds the seat.",
		status:      http.StatusCreated, repeated: http.StatusOK, headers: []string{"Location", idempotencyReplayedHeader},
		refusals: []boxoffice.Code{boxoffice.CodeSeatTaken, boxoffice.CodeAlreadyReserved, boxoffice.CodeSalesClosed},
		request:  map[string]any{"seatNumber": 17},
		example:  exampleHold(),
	}, a.holdSeat)
	handle(a, operation{
		method: http.MethodGet, pattern: reservationPattern, access: signedIn,
		id: "getReservation", tag: tagSeats, summary: "Read a reservation, even an ended one",
		refusals: []boxoffice.Code{boxoffice.CodeReservationNotFound},
		example:  exampleHold(),
	}, a.getReservation)
	handle(a, operation{
		method: http.MethodDelete, pattern: reservationPattern, access: signedIn,
		id: "releaseReservation", tag: tagSeats, summary: "Release a held seat",
		status:   http.StatusNoContent,
		refusals: []boxoffice.Code{boxoffice.CodeForbidden, boxoffice.CodeReservationNotFound, boxoffice.CodeAlreadyPaid},
	}, a.releaseReservation)
	handle(a, operation{
		method: http.MethodGet, pattern: "/api/v1/users/{userId}/reservations", access: signedIn,
		id: "listReservations", tag: tagSeats, summary: "List a user's reservations, newest first",
		example: map[string]any{"items": []any{exampleHold()}, "next": nil},
	}, a.listReservations)
}

func (a *api) holdSeat(ctx context.Context, req *request, body newReservationJSON) (reservationJSON, error) {
	outcome, err := a.decided(ctx, req, func() (boxoffice.Outcome, error) {
		return a.Seats.Hold(ctx, req.scheduleID, req.operation, req.place.admission(), body.SeatNumber)
	})
	if err != nil {
		return reservationJSON{}, err
	}
	if outcome.Reservation == nil {
		return reservationJSON{}, errors.New("the outcome of a hold has no reservation")
	}
	a.remember(*outcome.Reservation)
	if outcome.Created {
		req.header.Set("Location", reservationPath(outcome.Reservation.ID))
	} else {
		req.status = http.StatusOK
	}
	return renderReservation(*outcome.Reservation, outcome.At), nil
}

func (a *api) getReservation(ctx context.Context, req *request, _ none) (reservationJSON, error) {
	id := pathID(ctx, reservationParam)
	reservation, err := a.reservationOf(ctx, req, id, true)
	if err == nil && isOver(reservation, req.now) {
		if err = a.settle(ctx, reservation.ScheduleID); err == nil {
			reservation, err = a.Reservations.Reservation(ctx, id, req.now)
		}
	}
	return renderReservation(reservation, req.now), err
}

// isOver reports whether a reservation as it is written is a hold whose time is over.
func isOver(written boxoffice.Reservation, now time.Time) bool {
	return written.Status == boxoffice.ReservationHeld && !now.Before(written.ExpiresAt)
}

// settle returns when all that a schedule has decided is written. Before that nobody knows
// whether a hold that is over has expired: its payment may be under way.
func (a *api) settle(ctx context.Context, scheduleID int64) error {
	operation, err := newOperation()
	if err != nil {
		return err
	}
	_, err = a.Seats.Release(ctx, scheduleID, operation, uuid.Nil, uuid.Nil) // releases nothing, after what came before
	return err
}

func (a *api) releaseReservation(ctx context.Context, req *request, _ none) (none, error) {
	reservation, err := a.reservationOf(ctx, req, pathID(ctx, reservationParam), false)
	if err != nil {
		return none{}, err
	}
	switch reservation.Status {
	case boxoffice.ReservationExpired, boxoffice.ReservationReleased, boxoffice.ReservationCancelled:
		return none{}, nil // that is written; the schedule may have forgotten it
	default:
	}
	operation, err := newOperation()
	if err != nil {
		return none{}, err
	}
	outcome, err := a.Seats.Release(ctx, reservation.ScheduleID, operation, reservation.ID, req.caller.UserID)
	if err == nil && outcome.Refusal != nil {
		err = outcome.Refusal
	}
	return none{}, err
}

func (a *api) listReservations(ctx context.Context, req *request, query reservationsQuery) (listJSON[reservationJSON], error) {
	status := boxoffice.ReservationStatus(query.Status)
	page, err := a.Reservations.UserReservations(ctx, req.userID, status, req.now, query.request())
	if err == nil && slices.ContainsFunc(page.Items, hasExpired) {
		var settled bool
		if settled, err = a.settleHolds(ctx, req); settled {
			page, err = a.Reservations.UserReservations(ctx, req.userID, status, req.now, query.request())
		}
	}
	return listOf(page, func(reservation boxoffice.Reservation) reservationJSON {
		return renderReservation(reservation, req.now)
	}), err
}

func hasExpired(reservation boxoffice.Reservation) bool {
	return reservation.Status == boxoffice.ReservationExpired
}

// settleHolds settles the schedules of a user's holds that are over, and reports whether there
// were any.
func (a *api) settleHolds(ctx context.Context, req *request) (settled bool, err error) {
	held, err := a.Reservations.UserReservations(ctx, req.userID, boxoffice.ReservationHeld, asWritten(), boxoffice.PageRequest{Limit: maxHeldAtOnce})
	for _, reservation := range held.Items {
		if err == nil && isOver(reservation, req.now) {
			settled, err = true, a.settle(ctx, reservation.ScheduleID)
		}
	}
	return settled, err
}

// maxHeldAtOnce bounds the holds of one user that are looked at. There is one per schedule, for
// some minutes.
const maxHeldAtOnce = 100

// asWritten is a time at which no hold is over: reservations are then as they are written.
func asWritten() time.Time { return time.Time{} }

// reservationOf returns a reservation of the caller as it is written; an admin may read
// anybody's. Every other one is not found.
func (a *api) reservationOf(ctx context.Context, req *request, id uuid.UUID, reads bool) (boxoffice.Reservation, error) {
	if id == uuid.Nil {
		return boxoffice.Reservation{}, reservationNotFound()
	}
	reservation, err := a.Reservations.Reservation(ctx, id, asWritten())
	if err != nil {
		return boxoffice.Reservation{}, err
	}
	return reservation, req.mayTouch(reservation.UserID, reads, reservationNotFound())
}

// maxKnownReservations bounds the reservations whose holder and schedule are remembered.
const maxKnownReservations = 100_000

// claim is the part of a reservation that never changes.
type claim struct {
	scheduleID int64
	userID     uuid.UUID
}

// scheduleOf returns the schedule of a reservation that the caller may pay. The
// reservations that this node made are remembered, because they are paid next.
func (a *api) scheduleOf(ctx context.Context, req *request, id uuid.UUID) (int64, error) {
	known, ok := a.knownReservations.get(id)
	if !ok {
		reservation, err := a.reservationOf(ctx, req, id, false)
		if err == nil {
			a.remember(reservation)
		}
		return reservation.ScheduleID, err
	}
	return known.scheduleID, req.mayTouch(known.userID, false, reservationNotFound())
}

func (a *api) remember(reservation boxoffice.Reservation) {
	a.knownReservations.add(reservation.ID, claim{reservation.ScheduleID, reservation.UserID})
}

func reservationNotFound() error {
	return boxoffice.Errorf(boxoffice.CodeReservationNotFound, "you have no such reservation")
}

// mayTouch returns notFound if owner is not the caller, except that an admin may read
// anything.
func (req *request) mayTouch(owner uuid.UUID, reads bool, notFound error) error {
	switch {
	case reads && req.caller.Admin:
		return nil
	case owner != req.caller.UserID:
		return notFound
	case req.caller.Admin:
		return forbidden("an admin reads; only users do this")
	default:
		return nil
	}
}

// renderReservation returns a reservation as of now.
func renderReservation(reservation boxoffice.Reservation, now time.Time) reservationJSON {
	rendered := reservationJSON{
		ReservationID: reservation.ID,
		ConcertID:     reservation.ConcertID,
		ScheduleID:    reservation.ScheduleID,
		SeatNumber:    reservation.SeatNumber,
		UserID:        reservation.UserID,
		Status:        reservation.Status,
		Price:         reservation.Price,
		CreatedAt:     timestamp(reservation.CreatedAt),
		PaymentID:     optionalID(reservation.PaymentID),
	}
	if reservation.Status == boxoffice.ReservationHeld {
		rendered.ExpiresAt = new(timestamp(reservation.ExpiresAt))
		rendered.ExpiresInSeconds = new(remaining(reservation.ExpiresAt, now))
	}
	return rendered
}
