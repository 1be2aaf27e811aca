package seatmap

import (
	"slices"
	"time"

	"boxoffice"
)

// View is what a schedule shows of itself: enough to draw its map and to check admissions,
// without deciding anything. It follows the schedule by the changes of each commit
// ([ChangesOf]).
//
// Until a hold is due it shows what the schedule shows. It is not safe for concurrent use.
type View struct {
	// Map is replaced by every change and never changed itself.
	Map *boxoffice.SeatMap
	// Holds are the seats that are held, in no order.
	Holds []HeldSeat
	// DueAt is when the first hold ends; zero without holds. From then on time alone has
	// changed what the schedule shows, and this view does not reflect it.
	DueAt time.Time

	ended map[uint64]struct{}
}

// HeldSeat says by which place in line a seat is held, and until when.
type HeldSeat struct {
	SeatNumber int
	Sequence   uint64
	Until      time.Time
}

// Update is what one event made of one seat.
type Update struct {
	SeatNumber int
	Status     boxoffice.SeatStatus
	Sequence   uint64    // of the place that holds it or bought it; 0 if the seat is free
	HeldUntil  time.Time // zero unless it is held
}

// NewView returns the view of a schedule in which the places in ended have ended.
func NewView(m *boxoffice.SeatMap, holds []HeldSeat, ended []uint64) *View {
	v := &View{Map: m, Holds: holds}
	v.end(ended)
	v.noteDue()
	return v
}

// View returns the seats as they are, whatever the time: a hold that is due is still held.
func (s *Seats) View() *View {
	m := s.freeSeats()
	var holds []HeldSeat
	for _, c := range s.claims {
		if c.confirmed() {
			m.Statuses[c.seatNumber-1] = boxoffice.SeatSold
			continue
		}
		m.Statuses[c.seatNumber-1] = boxoffice.SeatHeld
		holds = append(holds, HeldSeat{SeatNumber: c.seatNumber, Sequence: c.sequence, Until: c.expiresAt})
	}
	ended := slices.Clone(s.spent)
	for _, place := range s.left.since(s.at) {
		ended = append(ended, place.Sequence)
	}
	return NewView(&m, holds, ended)
}

// ChangesOf returns what events make of seats, in order, and the places that they end other
// than by a payment. Each update increments the version of the map.
func ChangesOf(events []boxoffice.Event) (updates []Update, ended []uint64) {
	for _, e := range events {
		switch d := e.Data.(type) {
		case Held:
			updates = append(updates, Update{SeatNumber: d.SeatNumber, Status: boxoffice.SeatHeld, Sequence: d.Sequence, HeldUntil: d.ExpiresAt})
		case Confirmed:
			updates = append(updates, Update{SeatNumber: d.SeatNumber, Status: boxoffice.SeatSold, Sequence: d.Sequence})
		case Released:
			updates = append(updates, Update{SeatNumber: d.SeatNumber, Status: boxoffice.SeatAvailable})
		case Expired:
			updates = append(updates, Update{SeatNumber: d.SeatNumber, Status: boxoffice.SeatAvailable})
		case Cancelled:
			updates = append(updates, Update{SeatNumber: d.SeatNumber, Status: boxoffice.SeatAvailable})
		case PlaceEnded:
			ended = append(ended, d.Sequence)
		}
	}
	return updates, ended
}

// Apply applies the changes of one commit: seats in the order of its events, and places
// that have ended other than by a payment. Each update increments the version.
func (v *View) Apply(updates []Update, ended []uint64) {
	v.end(ended)
	if len(updates) == 0 {
		return
	}
	m := *v.Map
	for _, u := range updates {
		m.Statuses[u.SeatNumber-1] = u.Status
		v.Holds = slices.DeleteFunc(v.Holds, func(h HeldSeat) bool { return h.SeatNumber == u.SeatNumber })
		switch u.Status {
		case boxoffice.SeatHeld:
			v.Holds = append(v.Holds, HeldSeat{SeatNumber: u.SeatNumber, Sequence: u.Sequence, Until: u.HeldUntil})
		case boxoffice.SeatSold:
			v.end([]uint64{u.Sequence})
		case boxoffice.SeatAvailable:
		}
	}
	m.Version += int64(len(updates))
	v.Map = &m
	v.noteDue()
}

func (v *View) noteDue() {
	v.DueAt = time.Time{}
	for _, h := range v.Holds {
		if v.DueAt.IsZero() || h.Until.Before(v.DueAt) {
			v.DueAt = h.Until
		}
	}
}

func (v *View) end(sequences []uint64) {
	if len(sequences) == 0 {
		return
	}
	if v.ended == nil {
		v.ended = make(map[uint64]struct{}, len(sequences))
	}
	for _, sequence := range sequences {
		v.ended[sequence] = struct{}{}
	}
	forgetOldest(v.ended, maxLeft+maxSpent)
}

// Ended returns the places that have ended, in order.
func (v *View) Ended() []uint64 {
	sequences := make([]uint64, 0, len(v.ended))
	for sequence := range v.ended {
		sequences = append(sequences, sequence)
	}
	slices.Sort(sequences)
	return sequences
}

// CheckAdmission checks an admission as [Seats.CheckAdmission] does.
func (v *View) CheckAdmission(a boxoffice.Admission, now time.Time) *boxoffice.Error {
	if _, ended := v.ended[a.Sequence]; ended {
		return boxoffice.PlaceEnded()
	}
	if now.Before(a.EndsAt) {
		return nil
	}
	for _, h := range v.Holds {
		if h.Sequence == a.Sequence && now.Before(h.Until) {
			return nil
		}
	}
	return admissionIsOver()
}
