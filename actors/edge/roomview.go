package edge

import (
	"fmt"
	"math"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/waitingroom"
)

// room is the view of one waiting room as a replica keeps it: what it shows of itself, and
// who waits. It keeps one bit per place; a place's position is the number of set bits
// before it. It is not safe for concurrent use, but may be read by many at once while
// nobody changes it.
type room struct {
	view waitingroom.View
	// waiting holds the sequences of those who wait.
	waiting *roaring.Bitmap
}

// roomOf returns the whole view of a waiting room in a message.
func roomOf(scheduleID int64, m *messages.RoomState) (*room, error) {
	r := &room{waiting: roaring.New()}
	r.view.ScheduleID = scheduleID
	r.view.Pace = new(waitingroom.Pace)
	if err := r.waiting.UnmarshalBinary(m.GetWaiting()); err != nil {
		return nil, fmt.Errorf("read who waits: %w", err)
	}
	if err := r.waiting.Validate(); err != nil {
		return nil, fmt.Errorf("read who waits: %w", err)
	}
	for _, a := range m.GetPace() {
		r.view.Pace.Note(time.UnixMilli(a.GetAt()), int(a.GetCount()))
	}
	r.show(m.GetView())
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

// apply applies the changes of one commit. After an error the view must not be used.
func (r *room) apply(m *messages.RoomChange) error {
	if first, joined := m.GetFirst(), m.GetJoined(); joined > 0 {
		if first == 0 || first > math.MaxUint32 || joined > math.MaxUint32-first {
			return fmt.Errorf("%d joined from %d on", joined, first)
		}
		r.waiting.AddRange(first, first+joined)
	}
	for _, sequence := range m.GetGone() {
		if sequence > math.MaxUint32 {
			return fmt.Errorf("place %d has gone", sequence)
		}
		r.waiting.Remove(uint32(sequence))
	}
	if a := m.GetAdmissions(); a != nil {
		r.view.Pace.Note(time.UnixMilli(a.GetAt()), int(a.GetCount()))
	}
	r.show(m.GetView())
	return r.check()
}

// check fails unless as many wait as the room itself said.
func (r *room) check() error {
	if count := r.waiting.GetCardinality(); count != uint64(r.view.Waiting) {
		return fmt.Errorf("%d wait, but the replica counts %d", r.view.Waiting, count)
	}
	return nil
}

// show takes in what the room says of itself.
func (r *room) show(m *messages.RoomView) {
	v := &r.view
	v.SalesOpenAt, v.SalesCloseAt = time.UnixMilli(m.GetSalesOpenAt()).UTC(), time.UnixMilli(m.GetSalesCloseAt()).UTC()
	v.Capacity, v.AdmitPerSecond = int(m.GetCapacity()), int(m.GetAdmitPerSecond())
	v.Paused, v.SoldOut = m.GetPaused(), m.GetSoldOut()
	v.AvailableSeats = int(m.GetAvailableSeats())
	v.Waiting, v.Admitted = int(m.GetWaiting()), int(m.GetAdmitted())
	v.MaxPollAfter = time.Duration(m.GetMaxPollAfter()) * time.Millisecond
}

// place returns what the holder of a waiting place is shown. If the place does not wait, ok
// is false: only the room itself knows what became of it.
func (r *room) place(ref boxoffice.PlaceRef, now time.Time) (place boxoffice.Place, refusal *boxoffice.Error, ok bool) {
	if ref.Sequence > math.MaxUint32 || !r.waiting.Contains(uint32(ref.Sequence)) {
		return boxoffice.Place{}, nil, false
	}
	place, refusal = r.view.Place(ref, int(r.waiting.Rank(uint32(ref.Sequence))), now)
	return place, refusal, true
}
