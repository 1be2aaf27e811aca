package http

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"boxoffice"
)

type seatMapJSON struct {
	ScheduleID int64      `json:"scheduleId"`
	Version    int64      `json:"version" doc:"grows with every change of a seat"`
	Seats      []seatJSON `json:"seats" nullable:"false" minItems:"50" maxItems:"50"`
}

type seatJSON struct {
	SeatNumber int                  `json:"seatNumber" minimum:"1" maximum:"50"`
	Status     boxoffice.SeatStatus `json:"status" enum:"available,held,sold"`
	Price      int64                `json:"price"`
}

type newReservationJSON struct {
	SeatNumber int `json:"seatNumber" minimum:"1" maximum:"50" example:"17"`
}

func (a *api) addSeats() {
	handleRaw[seatMapJSON](a, operation{
		route:       route{method: http.MethodGet, pattern: "/api/v1/schedules/{scheduleId}/seats", access: signedIn, guarded: true},
		id:          "getSeats",
		tag:         tagSeats,
		summary:     "Look at the 50 seats",
		description: "At most 1 s old. An admin needs no queue token.",
		status:      http.StatusOK,
		headers:     []string{"ETag", "Cache-Control"},
		example: map[string]any{"scheduleId": 1, "version": 7, "seats": []any{
			map[string]any{"seatNumber": 1, "status": "sold", "price": 15_000}, map[string]any{"seatNumber": 2, "status": "available", "price": 15_000},
		}},
	}, a.getSeats)
	handleRaw[reservationJSON](a, operation{
		route: route{
			method: http.MethodPost, pattern: "/api/v1/schedules/{scheduleId}/reservations",
			access: usersOnly, guarded: true, body: bodyObject, key: keyHonoured, schema: schemaOf[newReservationJSON](a),
		},
		id:          "holdSeat",
		tag:         tagSeats,
		summary:     "Hold a seat",
		description: "201 with a new hold; the same seat again while the caller holds it: 200 with the same one.",
		status:      http.StatusCreated,
		repeated:    http.StatusOK,
		headers:     []string{"Location", idempotencyReplayedHeader},
		refusals:    []boxoffice.Code{boxoffice.CodeSeatTaken, boxoffice.CodeAlreadyReserved, boxoffice.CodeSalesClosed},
		request:     map[string]any{"seatNumber": 17},
		example:     exampleHold(),
	}, a.holdSeat)
}

func (a *api) getSeats(w http.ResponseWriter, r *http.Request, c *call) error {
	var admission *boxoffice.Admission
	if !c.caller.Admin {
		admission = c.place.admission()
	}
	seatMap, err := a.seatMaps.SeatMap(r.Context(), c.scheduleID, admission)
	if err != nil {
		return err
	}
	etag := `"` + strconv.FormatInt(seatMap.Version, 10) + `"`
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "private, no-cache")
	if matches(r.Header, etag) {
		notModified(w)
		return nil
	}
	body, err := json.Marshal(renderSeatMap(seatMap))
	if err != nil {
		return fmt.Errorf("encode a seat map: %w", err)
	}
	writeBytes(w, http.StatusOK, body)
	return nil
}

func renderSeatMap(seatMap *boxoffice.SeatMap) seatMapJSON {
	seats := make([]seatJSON, len(seatMap.Seats))
	for i, seat := range seatMap.Seats {
		seats[i] = seatJSON{SeatNumber: i + 1, Status: seat.Status, Price: seat.Price}
	}
	return seatMapJSON{ScheduleID: seatMap.ScheduleID, Version: seatMap.Version, Seats: seats}
}

func (a *api) holdSeat(w http.ResponseWriter, r *http.Request, c *call) error {
	body, err := values[newReservationJSON](a, c)
	if err != nil && c.stored == nil {
		return a.afterGuard(r.Context(), c, err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a reservation's id: %w", err)
	}
	outcome, err := c.decided(func() (boxoffice.Outcome, error) {
		return a.seats.Hold(r.Context(), c.scheduleID, boxoffice.Hold{
			Operation:     c.operation,
			Admission:     *c.place.admission(),
			ReservationID: id,
			SeatNumber:    body.SeatNumber,
		})
	})
	if err != nil {
		return err
	}
	if outcome.Reservation == nil {
		return fmt.Errorf("the outcome of a hold has no reservation")
	}
	status := http.StatusOK
	if outcome.Created {
		status = http.StatusCreated
		w.Header().Set("Location", reservationPath(outcome.Reservation.ID))
	}
	rendered, err := json.Marshal(renderReservation(*outcome.Reservation, outcome.At))
	if err != nil {
		return fmt.Errorf("encode a reservation: %w", err)
	}
	writeBytes(w, status, rendered)
	return nil
}

// writeBytes answers with JSON that is encoded already.
func writeBytes(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	writeSized(w, status, body)
}

// writeSized tells the length, so that net/http need not send a long body in chunks.
func writeSized(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client is gone
}
