package check

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/chaos/history"
	"boxoffice/seatmap"
)

// checkDurability: what was acknowledged is in the log, as it was acknowledged; and what
// is in the log was asked for by somebody, once.
func checkDurability(e Evidence, f facts, effects []Effect) []Violation {
	c := causes{
		evidence: e, facts: f, entries: make(map[uuid.UUID]EntryRow), users: make(map[uuid.UUID]bool),
		of: make(map[cause][]int),
	}
	for _, entry := range e.State.Entries {
		c.entries[entry.TransactionID] = entry
	}
	for _, userID := range e.State.Users {
		c.users[userID] = true
	}
	for _, effect := range effects {
		c.add(effect)
	}
	c.checkUnexplained()
	return c.violations
}

// cause is a change that a client can bring about.
type cause struct {
	kind history.Kind
	id   uuid.UUID // of the reservation, the payment or the ledger entry
}

type causes struct {
	evidence   Evidence
	facts      facts
	entries    map[uuid.UUID]EntryRow // of users, by transaction
	users      map[uuid.UUID]bool
	of         map[cause][]int // the operations that each change is explained by
	violations []Violation
}

func (c *causes) violate(check string, operations []int, format string, args ...any) {
	c.violations = append(c.violations, Violation{check, fmt.Sprintf(format, args...), operations})
}

// add explains a change by an effect.
func (c *causes) add(f Effect) {
	if !f.OK {
		return
	}
	a := f.Answer
	switch f.Kind {
	case history.Register:
		if !c.users[a.UserID] {
			c.violate("durability", f.Operations, "user %s was registered and is gone", a.UserID)
		}
	case history.Charge:
		c.explain(f, cause{history.Charge, a.EntryID})
		entry, kept := c.entries[a.EntryID]
		if !kept || entry.UserID != f.Request.UserID || entry.Amount != f.Request.Amount || entry.Amount != a.Amount ||
			entry.BalanceAfter != valueOf(a.Balance) {
			c.violate("durability", f.Operations, "the charge %s of %d was acknowledged; the ledger has %+v", a.EntryID, a.Amount, entry)
		}
	case history.Hold:
		c.addHold(f)
	case history.Pay:
		sold, kept := c.facts.confirmed[f.Request.ReservationID]
		c.explain(f, cause{history.Pay, f.Request.ReservationID})
		if !kept || sold.paymentID != a.PaymentUUID() || sold.amount != a.Amount || a.ReservationID != f.Request.ReservationID {
			c.violate("durability", f.Operations, "payment %s of reservation %s was acknowledged; the log has %+v",
				a.PaymentUUID(), f.Request.ReservationID, sold)
		}
	case history.Cancel:
		reservation := c.facts.payments[f.Request.PaymentID]
		c.explain(f, cause{history.Cancel, reservation})
		if _, kept := c.facts.cancelled[reservation]; !kept {
			c.violate("durability", f.Operations, "the cancellation of payment %s was acknowledged and is lost", f.Request.PaymentID)
		}
	case history.Release:
		c.explain(f, cause{history.Release, f.Request.ReservationID})
	}
}

func (c *causes) addHold(f Effect) {
	a := f.Answer
	h, kept := c.facts.held[a.ReservationID]
	switch {
	case !kept || h.userID != f.Request.UserID || h.scheduleID != f.Request.ScheduleID || h.seatNumber != f.Request.SeatNumber:
		c.violate("durability", f.Operations, "reservation %s of seat %d was acknowledged; the log has %+v",
			a.ReservationID, f.Request.SeatNumber, h)
	case a.ExpiresAt == nil || c.evidence.Since(*a.ExpiresAt).Round(time.Millisecond) != h.expires.Round(time.Millisecond):
		c.violate("durability", f.Operations, "reservation %s expires at %v by the log and at %v by the answer",
			a.ReservationID, h.expires, a.ExpiresAt)
	}
	if f.Created {
		c.explain(f, cause{history.Hold, a.ReservationID})
	}
}

func (c *causes) explain(f Effect, what cause) { c.of[what] = append(c.of[what], f.Operations...) }

// checkUnexplained looks for changes that nobody asked for, and for changes that came
// more than once of what was asked for once.
func (c *causes) checkUnexplained() {
	seen := make(map[cause]int)
	for _, row := range c.evidence.State.Events {
		what, ok := causeOf(row)
		if !ok {
			continue
		}
		if seen[what]++; seen[what] > 1 {
			c.violate("one effect", c.of[what], "%s of reservation %s happened %d times", what.kind, what.id, seen[what])
		}
		if c.of[what] == nil && !(what.kind == history.Release && c.leftWith(what.id)) {
			c.violate("one effect", nil, "%s of reservation %s in schedule %d, version %d, was asked for by nobody",
				what.kind, what.id, row.Grain.ID, row.Version)
		}
	}
	for id, entry := range c.entries {
		if entry.Type == boxoffice.EntryCharge && c.of[cause{history.Charge, id}] == nil {
			c.violate("one effect", nil, "the charge %s of %d to user %s was asked for by nobody", id, entry.Amount, entry.UserID)
		}
	}
}

func causeOf(row EventRow) (cause, bool) {
	switch d := row.Data.(type) {
	case seatmap.Held:
		return cause{history.Hold, d.ReservationID}, true
	case seatmap.Confirmed:
		return cause{history.Pay, d.ReservationID}, true
	case seatmap.Cancelled:
		return cause{history.Cancel, d.ReservationID}, true
	case seatmap.Released:
		return cause{history.Release, d.ReservationID}, true
	default:
		return cause{}, false
	}
}

// leftWith reports whether the place that a reservation was made with was left by its
// holder, who may not have been told.
func (c *causes) leftWith(reservation uuid.UUID) bool {
	h := c.facts.held[reservation]
	for _, op := range c.evidence.Operations {
		if op.Kind == history.Leave && op.Result != history.Failed &&
			op.Request.Place.ScheduleID == h.scheduleID && op.Request.Place.Sequence == h.sequence {
			return true
		}
	}
	return false
}
