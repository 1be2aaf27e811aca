package waitingroom

import (
	"time"

	"boxoffice"
)

// RoomView is what a waiting room shows, apart from who waits in it: with a position it
// tells everything that somebody who waits is told. The room itself and its replicas
// answer from it, and so alike.
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
	ClaimTTL       time.Duration
	Pace           *Pace // never nil
}

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

// Place shows a place that waits at a position (1-based) to its holder. It refuses with
// queue-token-expired once sales are closed: waiting ends with them.
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
		PollAfter:  v.pollAfter(position),
		JoinedAt:   ref.JoinedAt,
		ExpiresAt:  v.SalesCloseAt,
		SoldOut:    v.SoldOut,
	}
	if !v.Paused && !v.SoldOut {
		place.ETAMin, place.ETAMax = v.Pace.estimate(now, position)
	}
	return place, nil
}

// pollAfter keeps those at the front, who may be let in at any moment, asking well within
// the claim TTL.
func (v *View) pollAfter(position int) time.Duration {
	longest := min(v.ClaimTTL/2, pollFarthest)
	longest = max(longest, time.Duration(v.Waiting)*time.Second/pollFarPerSecond)
	interval := min(longest, time.Duration(position)*time.Second/pollPositionsPerSecond)
	return max(pollShortest, interval.Truncate(time.Millisecond))
}

// Status is the public view of the room at now. Once sales are closed nobody waits.
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
