package check

import (
	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

func collectFacts(e Evidence) facts {
	f := facts{
		held:      make(map[uuid.UUID]heldFact),
		confirmed: make(map[uuid.UUID]soldFact),
		cancelled: make(map[uuid.UUID]fact),
		released:  make(map[uuid.UUID]fact),
		expired:   make(map[uuid.UUID]fact),
		payments:  make(map[uuid.UUID]uuid.UUID),
		left:      make(map[placeID]fact),
		completed: make(map[placeID]fact),
		seats:     make(map[int64][]EventRow),
		rooms:     make(map[int64][]EventRow),
	}
	for _, row := range e.State.Events {
		if row.Grain.Kind == boxoffice.KindGatekeeper {
			f.addRoom(e, row)
			continue
		}
		switch row.Data.(type) {
		case seatmap.Opened, seatmap.PlaceEnded: // nothing of a seat
		default:
			f.seats[row.Grain.ID] = append(f.seats[row.Grain.ID], row)
			f.addSeat(e, row)
		}
	}
	return f
}

func (f *facts) addSeat(e Evidence, row EventRow) {
	what := fact{at: e.Since(row.At), change: len(f.seats[row.Grain.ID]), operationID: row.OperationID}
	switch d := row.Data.(type) {
	case seatmap.Held:
		f.held[d.ReservationID] = heldFact{
			fact: what, scheduleID: row.Grain.ID, seatNumber: d.SeatNumber, userID: d.UserID,
			sequence: d.Sequence, expires: e.Since(d.ExpiresAt),
		}
	case seatmap.Confirmed:
		f.completed[placeID{row.Grain.ID, d.Sequence}] = what
		f.confirmed[d.ReservationID] = soldFact{fact: what, paymentID: d.PaymentID, amount: d.Amount}
		f.payments[d.PaymentID] = d.ReservationID
	case seatmap.Cancelled:
		f.cancelled[d.ReservationID] = what
	case seatmap.Released:
		f.released[d.ReservationID] = what
	case seatmap.Expired:
		f.expired[d.ReservationID] = what
	}
}

func (f *facts) addRoom(e Evidence, row EventRow) {
	f.rooms[row.Grain.ID] = append(f.rooms[row.Grain.ID], row)
	if d, ok := row.Data.(waitingroom.Ended); ok && d.Status == boxoffice.PlaceLeft {
		for _, sequence := range d.Sequences {
			f.left[placeID{row.Grain.ID, sequence}] = fact{at: e.Since(row.At), operationID: row.OperationID}
		}
	}
}
