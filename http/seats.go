package http

import (
	"net/http"
	"strconv"

	"boxoffice"
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

const seatsPattern = "/api/v1/schedules/{scheduleId}/seats"

func (a *api) addSeats() {
	example := map[string]any{"scheduleId": 1, "version": 7, "seats": []any{
		map[string]any{"seatNumber": 1, "status": "sold", "price": 15_000}, map[string]any{"seatNumber": 2, "status": "available", "price": 15_000},
	}}
	a.handleRaw(operation{
		method: http.MethodGet, pattern: seatsPattern, access: signedIn, guarded: true,
		id: "getSeats", tag: tagSeats, summary: "Read the 50 seats",
		description: "At most 1 s old. An admin needs no queue token.",
		headers:     []string{"ETag", "Cache-Control"},
	}, jsonContent(schemaOf[seatMapJSON](a), example), a.getSeats)
}

// getSeats writes cached bytes: crowds look at the same seats.
func (a *api) getSeats(w http.ResponseWriter, r *http.Request, req *request) error {
	seatMap, err := a.SeatMaps.SeatMap(r.Context(), req.scheduleID, req.admission())
	if err != nil {
		return err
	}
	seats := a.encodeSeats(seatMap)
	writeTagged(w, r, seats.etag, "private, no-cache", jsonType, seats.body)
	return nil
}

// maxEncodedSeats bounds the schedules whose newest seat map is kept as JSON.
const maxEncodedSeats = 4096

// encodedSeats is a seat map as it is sent: one version of a schedule's seats is the same
// everywhere and forever.
type encodedSeats struct {
	version int64
	etag    string
	body    []byte
}

func (a *api) encodeSeats(seatMap *boxoffice.SeatMap) encodedSeats {
	if kept, ok := a.encodedSeats.Get(seatMap.ScheduleID); ok && kept.version == seatMap.Version {
		return kept
	}
	rendered := seatMapJSON{ScheduleID: seatMap.ScheduleID, Version: seatMap.Version, Seats: make([]seatJSON, len(seatMap.Statuses))}
	for i, status := range seatMap.Statuses {
		rendered.Seats[i] = seatJSON{SeatNumber: i + 1, Status: status.String(), Price: seatMap.Prices[i]}
	}
	seats := encodedSeats{version: seatMap.Version, etag: `"` + strconv.FormatInt(seatMap.Version, 10) + `"`, body: encode(rendered)}
	a.encodedSeats.Add(seatMap.ScheduleID, seats)
	return seats
}
