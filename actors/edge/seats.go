package edge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
)

// maxHistory is how many changes of the seats of one schedule are kept for followers. A
// follower that is further behind gets the whole map.
const maxHistory = 256

// seats is the view of the seats of one schedule.
type seats struct {
	*seatmap.View
	// history leads from the version since to the map, one version per step.
	history []step
	since   int64
}

// step is a change of one seat. Every change of every replica becomes one, and few are ever
// read, so it is small.
type step struct {
	seatNumber uint8
	status     boxoffice.SeatStatus
}

func readSeats(id int64, answer proto.Message) (view, error) {
	state, ok := answer.(*messages.SeatsState)
	if !ok || state.GetMap().GetScheduleId() != id {
		return nil, fmt.Errorf("%T is not the state of the seats of schedule %d", answer, id)
	}
	s := &seats{View: actors.SeatViewOf(state)}
	s.since = s.Map.Version
	return s, nil
}

// succeed takes over the history if it leads to the same map. If it does not, nobody knows
// what lies between.
func (s *seats) succeed(before view) {
	if b, ok := before.(*seats); ok && b.Map.Version == s.Map.Version {
		s.history, s.since, s.Map = b.history, b.since, b.Map
	}
}

func (s *seats) take(change *messages.Change) error {
	m := change.GetSeats()
	if m == nil {
		return fmt.Errorf("%T is no change of seats", change.GetOf())
	}
	updates := actors.SeatUpdatesOf(m)
	for _, u := range updates {
		s.history = append(s.history, step{seatNumber: uint8(u.SeatNumber), status: u.Status})
	}
	if dropped := len(s.history) - maxHistory; dropped > maxHistory {
		s.history, s.since = slices.Delete(s.history, 0, dropped), s.since+int64(dropped)
	}
	s.Apply(updates, m.GetEnded())
	return nil
}

func (s *seats) dueAt() time.Time { return s.DueAt }

// after returns the changes that lead from a version to the map; false if nobody knows.
func (s *seats) after(version int64) ([]boxoffice.SeatChange, bool) {
	if version < s.since || version > s.Map.Version {
		return nil, false
	}
	steps := s.history[version-s.since:]
	changes := make([]boxoffice.SeatChange, len(steps))
	for i, next := range steps {
		changes[i] = boxoffice.SeatChange{
			Version: version + int64(i) + 1, SeatNumber: int(next.seatNumber), Status: next.status,
		}
	}
	return changes, true
}

// SeatMap returns the seats. A nil admission is an admin's. The map is shared and must not
// be changed.
func (e *Edge) SeatMap(
	ctx context.Context, scheduleID int64, admission *boxoffice.Admission,
) (*boxoffice.SeatMap, error) {
	r, age, err := e.look(ctx, &e.seats, scheduleID)
	if err != nil {
		return nil, err
	}
	if r == nil {
		e.answered(boxoffice.KindSchedule, false, 0)
		return e.Client.SeatMap(ctx, scheduleID, admission)
	}
	known := r.view.(*seats)
	seatMap, refusal := known.Map, check(known, admission, r.usedAt)
	r.mu.Unlock()
	e.answered(boxoffice.KindSchedule, true, age)
	if refusal != nil {
		return nil, refusal
	}
	return seatMap, nil
}

// FollowSeats returns the seats to somebody who saw them at version since (< 0: never).
func (e *Edge) FollowSeats(
	ctx context.Context, scheduleID int64, admission *boxoffice.Admission, since int64,
) (boxoffice.SeatNews, error) {
	r, age, err := e.look(ctx, &e.seats, scheduleID)
	if r != nil && since > r.view.(*seats).Map.Version {
		// Another node has shown more than this one knows yet, or the version is invalid.
		w := r.beginWatch(r.usedAt)
		r.mu.Unlock()
		select {
		case <-w.done:
		case <-ctx.Done():
		}
		r, age, err = e.look(ctx, &e.seats, scheduleID)
	}
	if err != nil {
		return boxoffice.SeatNews{}, err
	}
	if r == nil {
		e.answered(boxoffice.KindSchedule, false, 0)
		seatMap, err := e.Client.SeatMap(ctx, scheduleID, admission)
		if err != nil {
			return boxoffice.SeatNews{}, err
		}
		return boxoffice.SeatNews{Map: seatMap, Complete: seatMap.Version == since, Changed: askAgain()}, nil
	}
	defer r.mu.Unlock()
	e.answered(boxoffice.KindSchedule, true, age)
	known := r.view.(*seats)
	if refusal := check(known, admission, r.usedAt); refusal != nil {
		return boxoffice.SeatNews{}, refusal
	}
	news := boxoffice.SeatNews{Map: known.Map, Changed: r.follow()}
	news.Changes, news.Complete = known.after(since)
	return news, nil
}

func check(known *seats, admission *boxoffice.Admission, now time.Time) *boxoffice.Error {
	if admission == nil {
		return nil
	}
	return known.CheckAdmission(*admission, now)
}
