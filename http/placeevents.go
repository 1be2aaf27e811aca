package http

import (
	"net/http"
	"time"

	"boxoffice"
)

func (a *api) addPlaceEvents() {
	a.handleStream(operation{
		method: http.MethodGet, pattern: placePattern + "/events", access: placeHolder,
		id: "followPlace", tag: tagQueue, summary: "Follow a place in line",
		description: "Server-sent events: `place`, whose data is a place, at once and on every change, at most one a second. " +
			"The stream ends after the event whose status is `admitted` or, where the place has ended, `expired`.",
		refusals: []boxoffice.Code{boxoffice.CodeQueueTokenExpired},
	}, "event: place\ndata: {\"token\":\"eyJ…\",\"scheduleId\":1,\"status\":\"waiting\",\"position\":128,…}\n\n", a.followPlace)
}

// followPlace streams a place until it is let in or has ended.
func (a *api) followPlace(w http.ResponseWriter, r *http.Request, req *request) error {
	place, changed, err := a.WaitingRooms.FollowPlace(r.Context(), req.scheduleID, req.place.ref())
	if boxoffice.CodeOf(err) == boxoffice.CodeQueueTokenExpired {
		return ended{err}
	}
	if err != nil {
		return err
	}
	s, ok, err := a.openStream(w, req)
	if err != nil || !ok {
		return err
	}
	defer s.close()
	s.place(place)
	for s.flush() && place.Status == boxoffice.PlaceWaiting {
		told := place
		if place, changed, ok = s.nextPlace(told, changed); !ok {
			return nil
		}
		s.place(place)
	}
	return nil
}

// nextPlace waits until the place differs from what was sent. False: the stream is over.
func (s *stream) nextPlace(told boxoffice.Place, changed <-chan struct{}) (boxoffice.Place, <-chan struct{}, bool) {
	if !s.pause(placeSpacing) {
		return told, nil, false
	}
	for failures := 0; ; {
		// Time alone ends a place that waits: when sales close.
		most := max(streamTryAgain, told.ExpiresAt.Sub(s.api.Clock.Now()))
		if failures > 0 {
			changed, most = nil, streamTryAgain
		}
		if !s.wait(changed, most) {
			return told, nil, false
		}
		ctx, cancel := s.ask()
		place, next, err := s.api.WaitingRooms.FollowPlace(ctx, s.req.scheduleID, s.req.place.ref())
		cancel()
		switch {
		case boxoffice.CodeOf(err) == boxoffice.CodeQueueTokenExpired:
			return endOf(told, s.api.Clock.Now()), nil, true
		case err != nil:
			if failures++; failures == streamPatience {
				s.stop(whyNoAnswers)
				return told, nil, false
			}
		case place != told:
			return place, next, true
		default:
			failures, changed = 0, next
		}
	}
}

// endOf is the last that is told of a place that has ended by now.
func endOf(place boxoffice.Place, now time.Time) boxoffice.Place {
	place.Status = boxoffice.PlaceExpired
	if place.ExpiresAt.After(now) { // it was left
		place.ExpiresAt = now
	}
	place.Position, place.ETAMin, place.ETAMax, place.PollAfter = 0, 0, 0, 0
	return place
}

// place appends the event of a place.
func (s *stream) place(place boxoffice.Place) {
	var rendered placeJSON
	if place.Status == boxoffice.PlaceExpired {
		rendered = renderPlace(place, s.req.queueToken, 0, s.api.Clock.Now())
	} else {
		rendered = s.api.renderPlace(s.req, place)
	}
	s.event("place", -1, encode(rendered))
}
