package boxoffice

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// How often it is worth asking where one stands. A place asks about every
// position/pollPositionsPerSecond seconds, at most every pollFarthest, and where the
// line is so long that this would be too much, at most every waiting/pollFarPerSecond
// seconds. For a line of n and a longest interval of t seconds that makes about
// pollPositionsPerSecond × ln t + n/t requests a second: 19 800 for a million.
const (
	pollShortest           = time.Second
	pollFarthest           = 30 * time.Second
	pollPositionsPerSecond = 440
	pollFarPerSecond       = 18_000
	// pollAdmitted is for those who are let in: only to see that they still are.
	pollAdmitted = 10 * time.Second
)

// Place shows a live place to its holder. It refuses with queue-token-expired a place
// that has ended, and with queue-token-invalid one that is somebody else's.
func (r *WaitingRoom) Place(userID uuid.UUID, sequence uint64, now time.Time) (Place, *Error) {
	if refusal := r.checkPlace(userID, sequence, now); refusal != nil {
		return Place{}, refusal
	}
	place := Place{
		ScheduleID: r.ScheduleID,
		UserID:     userID,
		Sequence:   sequence,
		Waiting:    r.line.count,
		SoldOut:    r.seats.soldOut,
	}
	if p := r.admitted.places[sequence]; p != nil {
		place.Status = PlaceAdmitted
		place.PollAfter = pollAdmitted
		place.JoinedAt = time.UnixMilli(p.joinedMS).UTC()
		place.AdmittedAt = p.admittedAt
		place.ExpiresAt = p.endsWith()
		place.AdmissionEndsAt = p.endsAt
		return place, nil
	}
	p, _ := r.line.get(sequence)
	place.Status = PlaceWaiting
	place.Position = r.line.position(sequence)
	if !r.settings.paused && !r.seats.soldOut {
		place.ETAMin, place.ETAMax = r.log.estimate(now, place.Position)
	}
	place.PollAfter = r.pollAfter(place.Position)
	place.JoinedAt = time.UnixMilli(p.joinedMS).UTC()
	place.ExpiresAt = r.settings.salesCloseAt
	return place, nil
}

// pollAfter keeps those at the front, who may be let in at any moment, asking well within
// the claim TTL.
func (r *WaitingRoom) pollAfter(position int) time.Duration {
	longest := min(r.limits.ClaimTTL/2, pollFarthest)
	longest = max(longest, time.Duration(r.line.count)*time.Second/pollFarPerSecond)
	interval := min(longest, time.Duration(position)*time.Second/pollPositionsPerSecond)
	return max(pollShortest, interval.Truncate(time.Millisecond))
}

// PlaceOf finds the live place of a user.
func (r *WaitingRoom) PlaceOf(userID uuid.UUID) (sequence uint64, ok bool) {
	sequence, ok = r.users[userID]
	return sequence, ok
}

// NextSequence is the sequence number that the next join gets.
func (r *WaitingRoom) NextSequence() uint64 { return r.next }

// AdmittedSequences lists the admitted places, in order: the ones whose rows tell what
// schedules decided about them.
func (r *WaitingRoom) AdmittedSequences() []uint64 {
	sequences := make([]uint64, 0, len(r.admitted.places))
	for sequence := range r.admitted.places {
		sequences = append(sequences, sequence)
	}
	slices.Sort(sequences)
	return sequences
}

// Status is the public view of the room at now. Once sales are closed nobody waits.
func (r *WaitingRoom) Status(now time.Time) QueueStatus {
	status := QueueStatus{
		ScheduleID:     r.ScheduleID,
		State:          QueueOpen,
		Waiting:        r.line.count,
		Admitted:       len(r.admitted.places),
		Capacity:       r.settings.capacity,
		AdmitPerSecond: r.settings.admitPerSecond,
		AvailableSeats: r.seats.available,
	}
	switch {
	case !r.onSale(now):
		status.State, status.Waiting = QueueClosed, 0
	case r.seats.soldOut:
		status.State = QueueSoldOut
	case r.settings.paused:
		status.State = QueuePaused
	}
	return status
}
