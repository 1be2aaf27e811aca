package edge

import (
	"context"

	"boxoffice"
)

// Place returns the current state of a place. The replica answers for a waiting place,
// without the grain; in all other cases (it was let in, it has ended, the replica cannot
// vouch for it) the grain is asked, and the holder counts as seen.
func (e *Edge) Place(ctx context.Context, scheduleID int64, ref boxoffice.PlaceRef) (boxoffice.Place, error) {
	place, _, err := e.findPlace(ctx, scheduleID, ref, false)
	return place, err
}

// FollowPlace returns the current state of a place, and a channel that is closed when it is
// worth asking again.
func (e *Edge) FollowPlace(
	ctx context.Context, scheduleID int64, ref boxoffice.PlaceRef,
) (boxoffice.Place, <-chan struct{}, error) {
	return e.findPlace(ctx, scheduleID, ref, true)
}

func (e *Edge) findPlace(
	ctx context.Context, scheduleID int64, ref boxoffice.PlaceRef, follow bool,
) (place boxoffice.Place, changed <-chan struct{}, err error) {
	r, age, err := e.look(ctx, &e.rooms, scheduleID)
	if err != nil {
		return boxoffice.Place{}, nil, err
	}
	if r != nil {
		known := r.view.(*room)
		place, refusal, waits := known.place(ref, r.usedAt)
		if follow {
			changed = r.follow()
		}
		r.mu.Unlock()
		if waits {
			e.answered(boxoffice.KindGatekeeper, true, age)
			if refusal != nil {
				return boxoffice.Place{}, nil, refusal
			}
			return place, changed, nil
		}
	}
	e.answered(boxoffice.KindGatekeeper, false, 0)
	place, err = e.Client.Place(ctx, scheduleID, ref)
	if err != nil {
		return boxoffice.Place{}, nil, err
	}
	if follow && changed == nil {
		changed = askAgain()
	}
	return place, changed, nil
}

// QueueStatus returns the public view of a waiting room.
func (e *Edge) QueueStatus(ctx context.Context, scheduleID int64) (boxoffice.QueueStatus, error) {
	r, age, err := e.look(ctx, &e.rooms, scheduleID)
	if err != nil {
		return boxoffice.QueueStatus{}, err
	}
	if r == nil {
		e.answered(boxoffice.KindGatekeeper, false, 0)
		return e.Client.QueueStatus(ctx, scheduleID)
	}
	status := r.view.(*room).view.Status(r.usedAt)
	r.mu.Unlock()
	e.answered(boxoffice.KindGatekeeper, true, age)
	return status, nil
}
