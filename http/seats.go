package http

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/google/uuid"

	"boxoffice"

	"boxoffice/seatmap"
)

type seatMapJSON struct {
	ScheduleID int64      `json:"scheduleId"`
	Version    int64      `json:"version" doc:"grows with every change of a seat"`
	Seats      []seatJSON `json:"seats" nullable:"false" minItems:"50" maxItems:"50"`
}

type seatJSON struct {
	SeatNumber int    `json:"seatNumber" minimum:"1" maximum:"50"`
	Status     string `json:"status" enum:"available,held,sold"`
	Price      int64  `json:"price"`
}

type newReservationJSON struct {
	SeatNumber int `json:"seatNumber" minimum:"1" maximum:"50" example:"17"`
}

const seatsPattern = "/api/v1/schedules/{scheduleId}/seats"

func (a *api) addSeats() {
	handleRaw[seatMapJSON](a, operation{
		route:       route{method: http.MethodGet, pattern: seatsPattern, access: signedIn, guarded: true},
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
			access: usersOnly, guarded: true, body: bodyObject, key: keyHonoured, schema: schemaOf[newReservationJSON](a), quick: quickSeat,
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

func (a *api) getSeats(_ http.ResponseWriter, r *http.Request, c *call) error {
	admission := c.seatsAdmission()
	seatMap, err := a.seatMaps.SeatMap(&c.ctx, c.scheduleID, admission)
	if err != nil {
		return err
	}
	seats, again := a.seatsOf(seatMap)
	c.set("Etag", seats.etag)
	c.set("Cache-Control", "private, no-cache")
	if matches(r.Header, seats.etag) {
		c.writer.WriteHeader(http.StatusNotModified)
		return nil
	}
	if again {
		c.write(http.StatusOK, jsonType, seats.encoded(seatMap).body)
		return nil
	}
	buffer := a.buffers.Get().(*answerBuffer)
	buffer.bytes = appendSeatMap(buffer.bytes[:0], seatMap)
	c.write(http.StatusOK, jsonType, buffer.bytes)
	a.buffers.Put(buffer)
	return nil
}

// maxEncodedSeats bounds the schedules whose newest seat map is kept as bytes, and
// encodedSize is room for one of them, unless its prices are long.
const (
	maxEncodedSeats = 4096
	encodedSize     = 3 << 10
)

// encodedSeats is a seat map as it is sent, shared by all answers: one version of a
// schedule's seats is the same everywhere and for ever.
type encodedSeats struct {
	version int64
	etag    string

	once  sync.Once
	event []byte // of a stream
	body  []byte // part of event
}

// seatsOf gives what is kept of a seat map, and whether it was asked for before. While
// seats are sold a version is mostly looked at once, and its bytes are not worth keeping;
// those of one that a crowd looks at are.
func (a *api) seatsOf(seatMap *boxoffice.SeatMap) (seats *encodedSeats, again bool) {
	if known, ok := a.encodedSeats.Get(seatMap.ScheduleID); ok && known.version == seatMap.Version {
		return known, true
	}
	seats = &encodedSeats{version: seatMap.Version, etag: `"` + strconv.FormatInt(seatMap.Version, 10) + `"`}
	a.encodedSeats.Add(seatMap.ScheduleID, seats)
	return seats, false
}

// encoded encodes the seat map that it is kept of, once for everybody.
func (e *encodedSeats) encoded(seatMap *boxoffice.SeatMap) *encodedSeats {
	e.once.Do(func() {
		head := "event: seats\nid: " + strconv.FormatInt(e.version, 10) + "\ndata: "
		event := append(make([]byte, 0, encodedSize), head...)
		e.event = append(appendSeatMap(event, seatMap), "\n\n"...)
		e.body = e.event[len(head) : len(e.event)-len("\n\n")]
	})
	return e
}

// seatNumber is the body of a hold that was read the quick way: a seat from 1 to 50.
type seatNumber int

// quickSeat reads {"seatNumber":N}, which is what everybody sends.
func quickSeat(data []byte) any {
	digits, ok := bytes.CutPrefix(data, []byte(`{"seatNumber":`))
	digits, closed := bytes.CutSuffix(digits, []byte(`}`))
	if !ok || !closed || len(digits) == 0 || len(digits) > 2 || digits[0] == '0' {
		return nil
	}
	number := seatNumber(0)
	for _, digit := range digits {
		if digit < '0' || digit > '9' {
			return nil
		}
		number = 10*number + seatNumber(digit-'0')
	}
	if number > boxoffice.SeatCount {
		return nil
	}
	return number
}

func (a *api) holdSeat(_ http.ResponseWriter, _ *http.Request, c *call) error {
	seat, ok := c.body.(seatNumber)
	if !ok {
		body, err := values[newReservationJSON](a, c)
		if err != nil {
			return a.afterGuard(c, err)
		}
		seat = seatNumber(body.SeatNumber)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a reservation's id: %w", err)
	}
	outcome, err := a.decided(c, func() (boxoffice.Outcome, error) {
		return a.seats.Hold(c.ctx.brief(), c.scheduleID, seatmap.Hold{
			Operation:     c.operation,
			Admission:     c.place.admission(),
			ReservationID: id,
			SeatNumber:    int(seat),
		})
	})
	if err != nil {
		return err
	}
	if outcome.Reservation == nil {
		return fmt.Errorf("the outcome of a hold has no reservation")
	}
	a.remember(*outcome.Reservation)
	status := http.StatusOK
	if outcome.Created {
		status = http.StatusCreated
		c.set("Location", reservationPath(outcome.Reservation.ID))
	}
	rendered := renderReservation(*outcome.Reservation, outcome.At)
	buffer := a.buffers.Get().(*answerBuffer)
	buffer.bytes = rendered.appendTo(buffer.bytes[:0])
	c.write(status, jsonType, buffer.bytes)
	a.buffers.Put(buffer)
	return nil
}

// jsonType is the content type of everything that is no problem.
const jsonType = "application/json"

// sizedByServer is what net/http tells the length of by itself, in bytes: all of it fits
// into its buffer.
const sizedByServer = 2048

// write answers with bytes that are encoded already.
func (c *call) write(status int, contentType string, body []byte) {
	c.set("Content-Type", contentType)
	if len(body) >= sizedByServer {
		c.set("Content-Length", strconv.Itoa(len(body)))
	}
	c.writer.WriteHeader(status)
	_, _ = c.writer.Write(body) // fails only if the client is gone
}

// writeSized tells the length, so that net/http need not send a long body in chunks.
func writeSized(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client is gone
}
