package http

import (
	"fmt"
	"net/http"

	"boxoffice"
)

// guard lets a call marked (Q) in the contract go on if its queue token is of an
// admitted place of the caller. Whether that place has ended since is for the schedule
// to say, when the call reaches it or through [api.afterGuard].
//
// A waiting token is looked up: its place may have ended, and its holder counts as seen.
func (a *api) guard(r *http.Request, c *call) error {
	if c.caller.Admin { // other than GET was refused before
		return nil
	}
	if err := a.readQueueToken(r, c); err != nil {
		return err
	}
	if c.place.UserID != c.caller.UserID {
		return queueTokenInvalid()
	}
	if c.place.admitted() {
		return nil
	}
	if _, err := a.rooms.Place(&c.ctx, c.scheduleID, c.place.ref()); err != nil {
		return err
	}
	return linked{
		error: boxoffice.Errorf(boxoffice.CodeNotAdmitted, "this token is of a place that waits; ask for its place and token again"),
		link:  fmt.Sprintf("<%s>; rel=\"status\"", placePath(c.scheduleID)),
	}
}

// afterGuard gives the error to tell where a guarded call is wrong in a way that comes
// after the guard, but never reaches the schedule that would say that its place has
// ended: that refusal if it has, else err.
func (a *api) afterGuard(c *call, err error) error {
	if _, refusal := a.seatMaps.SeatMap(&c.ctx, c.scheduleID, c.seatsAdmission()); refusal != nil {
		return refusal
	}
	return err
}

// seatsAdmission is what seats are looked at with; an admin's is nil.
func (c *call) seatsAdmission() *boxoffice.Admission {
	if c.caller.Admin {
		return nil
	}
	c.admission = c.place.admission()
	return &c.admission
}

// identifyPlace is for the place's own routes, which ask for nothing but its token.
func (a *api) identifyPlace(r *http.Request, c *call) error {
	if err := a.readQueueToken(r, c); err != nil {
		return err
	}
	c.caller.UserID = c.place.UserID
	return nil
}

// readQueueToken reads a genuine queue token of the path's schedule.
func (a *api) readQueueToken(r *http.Request, c *call) error {
	c.queueToken = first(r.Header, queueTokenHeader)
	if c.queueToken == "" {
		return boxoffice.Errorf(boxoffice.CodeQueueTokenRequired, "join the waiting room and send the token that it gives as Queue-Token")
	}
	place, ok := a.keys.verifyQueue(c.queueToken)
	if !ok || place.ScheduleID != c.scheduleID {
		return queueTokenInvalid()
	}
	c.place = place
	return nil
}

func queueTokenInvalid() error {
	return boxoffice.Errorf(boxoffice.CodeQueueTokenInvalid, "this is not a queue token of yours for this schedule")
}

// placePath is where the holder of a place asks for it.
func placePath(scheduleID int64) string {
	return fmt.Sprintf("/api/v1/schedules/%d/queue-tokens/me", scheduleID)
}
