package waitingroom

import (
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Place shows a live place to its holder. It refuses with queue-token-expired a place
// that has ended, and with queue-token-invalid one that is somebody else's.
func (r *Room) Place(userID uuid.UUID, sequence uint64, now time.Time) (boxoffice.Place, *boxoffice.Error) {
	if refusal := r.checkPlace(userID, sequence, now); refusal != nil {
		return boxoffice.Place{}, refusal
	}
	if p := r.admitted.places[sequence]; p != nil {
		return boxoffice.Place{
			ScheduleID:      r.ScheduleID,
			UserID:          userID,
			Sequence:        sequence,
			Status:          boxoffice.PlaceAdmitted,
			Waiting:         r.line.count,
			PollAfter:       pollAdmitted,
			JoinedAt:        time.UnixMilli(p.joinedMS).UTC(),
			AdmittedAt:      p.admittedAt,
			ExpiresAt:       p.endsWith(),
			AdmissionEndsAt: p.endsAt,
			SoldOut:         r.seats.soldOut,
		}, nil
	}
	p, _ := r.line.get(sequence)
	ref := boxoffice.PlaceRef{UserID: userID, Sequence: sequence, JoinedAt: time.UnixMilli(p.joinedMS).UTC()}
	view := r.View()
	return view.Place(ref, r.line.position(sequence), now)
}

// View is what the room shows of itself. Its pace is the room's own: it changes with the
// next event.
func (r *Room) View() View {
	return View{
		ScheduleID:     r.ScheduleID,
		SalesOpenAt:    r.settings.salesOpenAt,
		SalesCloseAt:   r.settings.salesCloseAt,
		Capacity:       r.settings.capacity,
		AdmitPerSecond: r.settings.admitPerSecond,
		Paused:         r.settings.paused,
		SoldOut:        r.seats.soldOut,
		AvailableSeats: r.seats.available,
		Waiting:        r.line.count,
		Admitted:       len(r.admitted.places),
		ClaimTTL:       r.limits.ClaimTTL,
		Pace:           &r.log.pace,
	}
}

// Status is the public view of the room at now.
func (r *Room) Status(now time.Time) boxoffice.QueueStatus {
	view := r.View()
	return view.Status(now)
}

// WaitingSequences lists who waits, in order, some hundred at a time. The slice is used
// again, and the room must not change meanwhile.
func (r *Room) WaitingSequences() iter.Seq[[]uint64] { return r.line.sequences() }

// PlaceOf finds the live place of a user.
func (r *Room) PlaceOf(userID uuid.UUID) (sequence uint64, ok bool) {
	sequence, ok = r.users[userID]
	return sequence, ok
}

// NextSequence is the sequence number that the next join gets.
func (r *Room) NextSequence() uint64 { return r.next }

// AdmittedSequences lists the admitted places, in order: the ones whose rows tell what
// schedules decided about them.
func (r *Room) AdmittedSequences() []uint64 {
	sequences := make([]uint64, 0, len(r.admitted.places))
	for sequence := range r.admitted.places {
		sequences = append(sequences, sequence)
	}
	slices.Sort(sequences)
	return sequences
}
