package http

import (
	"context"
	"fmt"
	"net/http"

	"boxoffice"
)

// guard lets a call marked (Q) in the contract go on if its queue token is of an admitted
// place of the caller, or if the request has an answer. The schedule decides whether the
// place has ended since, when the call reaches it or through [api.afterGuard].
func (a *api) guard(_ http.ResponseWriter, r *http.Request, req *request) error {
	if req.caller.Admin { // other than GET was refused before
		return nil
	}
	if refusal := a.checkPlace(r, req); refusal != nil {
		return a.unlessAnswered(r.Context(), req, refusal)
	}
	return nil
}

// checkPlace looks up the place of a waiting token: it may have ended, and its holder
// counts as seen.
func (a *api) checkPlace(r *http.Request, req *request) error {
	if err := a.readQueueToken(r, req); err != nil {
		return err
	}
	if req.place.UserID != req.caller.UserID {
		return queueTokenInvalid()
	}
	if req.place.admitted() {
		return nil
	}
	if _, err := a.WaitingRooms.Place(r.Context(), req.scheduleID, req.place.ref()); err != nil {
		return err
	}
	return linked{
		error: boxoffice.Errorf(boxoffice.CodeNotAdmitted, "this token is of a place that waits; ask for its place and token again"),
		link:  fmt.Sprintf("<%s>; rel=\"status\"", placePath(req.scheduleID)),
	}
}

// afterGuard returns the error to answer a guarded call with, if err comes after the guard
// but keeps the call from reaching the schedule, which would refuse an ended place: that
// refusal if the place has ended, otherwise err.
func (a *api) afterGuard(ctx context.Context, req *request, err error) error {
	if _, refusal := a.SeatMaps.SeatMap(ctx, req.scheduleID, req.admission()); refusal != nil {
		return refusal
	}
	return err
}

// admission returns the admission to look at seats with; nil for an admin.
func (req *request) admission() *boxoffice.Admission {
	if req.caller.Admin {
		return nil
	}
	return new(req.place.admission())
}

// identifyPlace is for the place's own routes, which require only its token.
func (a *api) identifyPlace(_ http.ResponseWriter, r *http.Request, req *request) error {
	if err := a.readQueueToken(r, req); err != nil {
		return err
	}
	req.caller.UserID = req.place.UserID
	return nil
}

// readQueueToken reads a genuine queue token of the path's schedule.
func (a *api) readQueueToken(r *http.Request, req *request) error {
	req.queueToken = r.Header.Get(queueTokenHeader)
	if req.queueToken == "" {
		return boxoffice.Errorf(boxoffice.CodeQueueTokenRequired, "join the waiting room and send the token that it gives as Queue-Token")
	}
	place, ok := a.Keys.verifyQueue(req.queueToken)
	if !ok || place.ScheduleID != req.scheduleID {
		return queueTokenInvalid()
	}
	req.place = place
	return nil
}

func queueTokenInvalid() error {
	return boxoffice.Errorf(boxoffice.CodeQueueTokenInvalid, "this is not a queue token of yours for this schedule")
}

// placePath returns the path at which the holder of a place asks for it.
func placePath(scheduleID int64) string {
	return fmt.Sprintf("/api/v1/schedules/%d/queue-tokens/me", scheduleID)
}
