package waitingroom

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// View is what a waiting room shows, apart from who waits in it. Together with a position
// it is everything that a waiting user is shown. The room itself and its replicas both
// answer from it, so their answers are alike.
type View struct {
	ScheduleID     int64
	SalesOpenAt    time.Time
	SalesCloseAt   time.Time
	Capacity       int
	AdmitPerSecond int // 0 = no limit
	Paused         bool
	SoldOut        bool
	AvailableSeats int
	Waiting        int
	Admitted       int
	// MaxPollAfter is the longest interval at which waiting users are to ask again.
	MaxPollAfter time.Duration
	Pace         *Pace // never nil
}

// How often waiting users ask where they stand. A place asks about every
// position/pollPositionsPerSecond seconds, at most every pollFarthest, and where the line
// is so long that this would be too much, at most every waiting/pollFarPerSecond seconds.
// For a line of n and a longest interval of t seconds that makes about
// pollPositionsPerSecond × ln t + n/t requests a second. An admission must not be over
// before its holder asks again, so the interval is never more than half its TTL.
const (
	pollShortest           = time.Second
	pollFarthest           = 30 * time.Second
	pollPositionsPerSecond = 440
	pollFarPerSecond       = 18_000
	// pollAdmitted is for admitted users, who only check that they still are.
	pollAdmitted = 10 * time.Second
)

// Place returns what the holder of a place that waits at a position (1-based) is shown. It
// fails with queue-token-expired once sales are closed: waiting ends with them.
func (v *View) Place(ref boxoffice.PlaceRef, position int, now time.Time) (boxoffice.Place, *boxoffice.Error) {
	if !now.Before(v.SalesCloseAt) {
		return boxoffice.Place{}, boxoffice.PlaceEnded()
	}
	place := boxoffice.Place{
		ScheduleID: v.ScheduleID,
		UserID:     ref.UserID,
		Sequence:   ref.Sequence,
		Status:     boxoffice.PlaceWaiting,
		Position:   position,
		Waiting:    v.Waiting,
		PollAfter:  pollAfter(position, v.MaxPollAfter),
		JoinedAt:   ref.JoinedAt,
		ExpiresAt:  v.SalesCloseAt,
		SoldOut:    v.SoldOut,
	}
	if !v.Paused && !v.SoldOut {
		place.ETAMin, place.ETAMax = v.Pace.estimate(now, position)
	}
	return place, nil
}

// pollAfter returns how long somebody at a position should wait before asking again. Those
// at the front, who may be let in at any moment, ask often.
func pollAfter(position int, longest time.Duration) time.Duration {
	interval := max(pollShortest, time.Duration(position)*time.Second/pollPositionsPerSecond)
	return min(interval, longest).Truncate(time.Millisecond)
}

// maxPollAfter returns the longest that pollAfter may be when so many wait.
func (l *Limits) maxPollAfter(waiting int) time.Duration {
	longest := max(pollShortest, min(l.ClaimTTL/2, pollFarthest), time.Duration(waiting)*time.Second/pollFarPerSecond)
	return min(longest, l.AdmissionTTL/2)
}

// Status returns the public view of the room at now. Once sales are closed nobody waits.
func (v *View) Status(now time.Time) boxoffice.QueueStatus {
	status := boxoffice.QueueStatus{
		ScheduleID:     v.ScheduleID,
		State:          boxoffice.QueueOpen,
		Waiting:        v.Waiting,
		Admitted:       v.Admitted,
		Capacity:       v.Capacity,
		AdmitPerSecond: v.AdmitPerSecond,
		AvailableSeats: v.AvailableSeats,
	}
	switch {
	case now.Before(v.SalesOpenAt) || !now.Before(v.SalesCloseAt):
		status.State, status.Waiting = boxoffice.QueueClosed, 0
	case v.SoldOut:
		status.State = boxoffice.QueueSoldOut
	case v.Paused:
		status.State = boxoffice.QueuePaused
	}
	return status
}

// Place returns what the holder of a live place is shown. It fails with queue-token-expired
// if the place has ended, and with queue-token-invalid if it is somebody else's.
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
			PollAfter:       min(pollAdmitted, r.limits.AdmissionTTL/2),
			JoinedAt:        time.UnixMilli(p.joinedMS).UTC(),
			AdmittedAt:      p.admittedAt,
			ExpiresAt:       p.endsWith(),
			AdmissionEndsAt: p.endsAt,
			SoldOut:         r.heard.soldOut,
		}, nil
	}
	p, _ := r.line.get(sequence)
	ref := boxoffice.PlaceRef{UserID: userID, Sequence: sequence, JoinedAt: time.UnixMilli(p.joinedMS).UTC()}
	view := r.View()
	return view.Place(ref, r.line.position(sequence), now)
}

// Shown returns what the holder of an admitted place is shown while a batch is open, whatever
// becomes of that. ok is false if it takes a decision to tell: the place waits, its holder has
// not been seen yet, its time is over, which its row may deny, or the batch changes it.
func (r *Room) Shown(userID uuid.UUID, sequence uint64, now time.Time) (place boxoffice.Place, refusal *boxoffice.Error, ok bool) {
	p := r.admitted.places[sequence]
	if p == nil || !p.claimed || p.over(now) || r.undo.open && p.batch == r.undo.batch {
		return boxoffice.Place{}, nil, false
	}
	place, refusal = r.Place(userID, sequence, now)
	return place, refusal, true
}

// View returns what the room shows of itself. Its pace is the room's own and changes with
// the next event.
func (r *Room) View() View {
	return View{
		ScheduleID:     r.ScheduleID,
		SalesOpenAt:    r.settings.salesOpenAt,
		SalesCloseAt:   r.settings.salesCloseAt,
		Capacity:       r.settings.capacity,
		AdmitPerSecond: r.settings.admitPerSecond,
		Paused:         r.settings.paused,
		SoldOut:        r.heard.soldOut,
		AvailableSeats: r.heard.available,
		Waiting:        r.line.count,
		Admitted:       len(r.admitted.places),
		MaxPollAfter:   r.limits.maxPollAfter(r.line.count),
		Pace:           &r.log.pace,
	}
}

// Status returns the public view of the room at now.
func (r *Room) Status(now time.Time) boxoffice.QueueStatus {
	view := r.View()
	return view.Status(now)
}

// WaitingSequences returns the sequences of those who wait, in order, in slices that are
// reused. The room must not change during the iteration.
func (r *Room) WaitingSequences() iter.Seq[[]uint64] {
	return func(yield func([]uint64) bool) {
		chunk := make([]uint64, 0, lineBlockSize)
		for sequence := range r.line.all() {
			if len(chunk) == cap(chunk) {
				if !yield(chunk) {
					return
				}
				chunk = chunk[:0]
			}
			chunk = append(chunk, sequence)
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}

// AdmittedSequences returns the sequences of the admitted places, in order.
func (r *Room) AdmittedSequences() []uint64 {
	return slices.Sorted(maps.Keys(r.admitted.places))
}

// Places returns the live places as their rows should be, those that wait in order of
// sequence before the admitted ones. The room must not change during the iteration.
func (r *Room) Places() iter.Seq[PlaceRecord] {
	return func(yield func(PlaceRecord) bool) {
		for sequence := range r.line.all() {
			place, _ := r.line.get(sequence)
			if !yield(place.record(boxoffice.PlaceWaiting)) {
				return
			}
		}
		for _, sequence := range r.AdmittedSequences() {
			p := r.admitted.places[sequence]
			record := p.record(boxoffice.PlaceAdmitted)
			record.AdmittedAt, record.EndsAt = p.admittedAt, p.endsAt
			record.Claimed, record.HeldUntil = p.claimed, p.heldUntil
			if !yield(record) {
				return
			}
		}
	}
}

func (p *linePlace) record(status boxoffice.PlaceStatus) PlaceRecord {
	return PlaceRecord{
		Sequence: p.sequence, UserID: p.userID, OperationID: p.operationID,
		Status: status, JoinedAt: time.UnixMilli(p.joinedMS).UTC(),
	}
}
