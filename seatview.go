package boxoffice

import (
	"slices"
	"time"
)

// SeatView is what a schedule shows of itself: enough to draw its map and to be its
// guard, without deciding anything. It follows the schedule by what each commit changed
// ([SeatUpdateOf], and the places that have ended).
//
// Until a hold is due it shows what the schedule does. It is not safe for concurrent use.
type SeatView struct {
	// Map is replaced by every change and never changed itself.
	Map *SeatMap
	// Holds are the seats that are held, in no order.
	Holds []SeatHold
	// DueAt is when the first hold is over; zero without holds. From then on time alone
	// has changed what the schedule shows, and this view does not know.
	DueAt time.Time

	ended map[uint64]struct{}
}

// SeatHold says by which place in line a seat is held, and until when.
type SeatHold struct {
	SeatNumber int
	Sequence   uint64
	Until      time.Time
}

// SeatUpdate is what one event made of one seat.
type SeatUpdate struct {
	SeatNumber int
	Status     SeatStatus
	Sequence   uint64    // of the place it is held by, or was sold to; 0 of a free seat
	HeldUntil  time.Time // zero unless it is held
}

// NewSeatView makes the view of a schedule whose places in ended have ended.
func NewSeatView(m *SeatMap, holds []SeatHold, ended []uint64) *SeatView {
	v := &SeatView{Map: m, Holds: holds}
	v.end(ended)
	v.noteDue()
	return v
}

// View shows the schedule as it is, whatever the time: a hold that is due is still held.
func (s *Schedule) View() *SeatView {
	m := s.freeSeats()
	var holds []SeatHold
	for _, c := range s.claims {
		if c.confirmed() {
			m.Statuses[c.seatNumber-1] = SeatSold
			continue
		}
		m.Statuses[c.seatNumber-1] = SeatHeld
		holds = append(holds, SeatHold{SeatNumber: c.seatNumber, Sequence: c.sequence, Until: c.expiresAt})
	}
	ended := slices.Clone(s.spent)
	for sequence := range s.barred {
		ended = append(ended, sequence)
	}
	return NewSeatView(&m, holds, ended)
}

// SeatUpdateOf tells what an event makes of a seat; false if it is not about one. Every
// one that is counts the version of the map up by one.
func SeatUpdateOf(e Event) (SeatUpdate, bool) {
	switch d := e.Data.(type) {
	case SeatWasHeld:
		return SeatUpdate{SeatNumber: d.SeatNumber, Status: SeatHeld, Sequence: d.Sequence, HeldUntil: d.ExpiresAt}, true
	case SeatWasConfirmed:
		return SeatUpdate{SeatNumber: d.SeatNumber, Status: SeatSold, Sequence: d.Sequence}, true
	case SeatWasReleased:
		return SeatUpdate{SeatNumber: d.SeatNumber, Status: SeatAvailable}, true
	case HoldExpired:
		return SeatUpdate{SeatNumber: d.SeatNumber, Status: SeatAvailable}, true
	case SaleWasCancelled:
		return SeatUpdate{SeatNumber: d.SeatNumber, Status: SeatAvailable}, true
	default:
		return SeatUpdate{}, false
	}
}

// Apply takes over what one commit changed: seats in the order of its events, and places
// that have ended in other ways than by a payment. Each update counts one version up.
func (v *SeatView) Apply(updates []SeatUpdate, ended []uint64) {
	v.end(ended)
	if len(updates) == 0 {
		return
	}
	m := *v.Map
	for _, u := range updates {
		m.Statuses[u.SeatNumber-1] = u.Status
		v.Holds = slices.DeleteFunc(v.Holds, func(h SeatHold) bool { return h.SeatNumber == u.SeatNumber })
		switch u.Status {
		case SeatHeld:
			v.Holds = append(v.Holds, SeatHold{SeatNumber: u.SeatNumber, Sequence: u.Sequence, Until: u.HeldUntil})
		case SeatSold:
			v.end([]uint64{u.Sequence})
		case SeatAvailable:
		}
	}
	m.Version += int64(len(updates))
	v.Map = &m
	v.noteDue()
}

func (v *SeatView) noteDue() {
	v.DueAt = time.Time{}
	for _, h := range v.Holds {
		if v.DueAt.IsZero() || h.Until.Before(v.DueAt) {
			v.DueAt = h.Until
		}
	}
}

func (v *SeatView) end(sequences []uint64) {
	if len(sequences) == 0 {
		return
	}
	if v.ended == nil {
		v.ended = make(map[uint64]struct{}, len(sequences))
	}
	for _, sequence := range sequences {
		v.ended[sequence] = struct{}{}
	}
	forgetOldest(v.ended, maxBarred+maxSpent)
}

// Ended lists the places that have ended, in order.
func (v *SeatView) Ended() []uint64 {
	sequences := make([]uint64, 0, len(v.ended))
	for sequence := range v.ended {
		sequences = append(sequences, sequence)
	}
	slices.Sort(sequences)
	return sequences
}

// CheckAdmission is the guard, as [Schedule.CheckAdmission] is.
func (v *SeatView) CheckAdmission(a Admission, now time.Time) *Error {
	if _, ended := v.ended[a.Sequence]; ended {
		return placeEnded()
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
