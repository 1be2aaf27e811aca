package edge

import (
	"context"

	"boxoffice"
)

// FollowPlace tells where a place stands, and when it is worth asking again.
func (e *Edge) FollowPlace(
	ctx context.Context, scheduleID int64, ref boxoffice.PlaceRef,
) (boxoffice.Place, <-chan struct{}, error) {
	place, err := e.Place(ctx, scheduleID, ref)
	if err != nil {
		return boxoffice.Place{}, nil, err
	}
	return place, askAgain(), nil
}
