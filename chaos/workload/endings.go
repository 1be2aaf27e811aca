package workload

import (
	"context"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/chaos/history"
)

// end does with a held seat what the visitor wants.
func (c *client) end(ctx context.Context, u *user, scheduleID int64, r reservation, v Visit) {
	pay := u.pay(scheduleID, r.id).keyed(newKey())
	switch v.Ending {
	case PayNow:
		c.pay(ctx, u, scheduleID, r, v)
	case PayAtExpiry:
		rest(ctx, time.Until(r.expiresAt)+v.Edge)
		c.pay(ctx, u, scheduleID, r, v)
	case PayTwice, PayTwoKeys:
		second := pay
		if v.Ending == PayTwoKeys {
			second = pay.keyed(newKey())
		}
		a, b := c.both(ctx, pay, second)
		c.paid(ctx, u, scheduleID, v, a, b)
	case GiveUp:
		c.send(ctx, u.release(scheduleID, r.id))
	case GiveUpAndPay:
		_, b := c.both(ctx, u.release(scheduleID, r.id), pay)
		c.paid(ctx, u, scheduleID, v, b)
	case LeaveNow:
		c.leave(ctx, u, scheduleID)
	case LeaveAndPay:
		_, b := c.both(ctx, u.leave(scheduleID), pay)
		delete(u.places, scheduleID)
		c.paid(ctx, u, scheduleID, v, b)
	case LetExpire:
		rest(ctx, time.Until(r.expiresAt)+v.Edge)
	case HoldAgain, HoldAnswerLost:
		c.holdAgain(ctx, u, scheduleID, r, v)
	case ReleaseTwice:
		c.both(ctx, u.release(scheduleID, r.id), u.release(scheduleID, r.id))
	case PayAnswerLost:
		c.pay(ctx, u, scheduleID, r, v)
	}
	if v.Look {
		c.send(ctx, u.reservation(scheduleID, r.id))
	}
}

func (c *client) holdAgain(ctx context.Context, u *user, scheduleID int64, r reservation, v Visit) {
	rest(ctx, time.Until(r.expiresAt)+v.Edge)
	q := u.hold(scheduleID, r.seat)
	if v.Keyed {
		q = q.keyed(newKey())
	}
	if v.Ending == HoldAnswerLost {
		q = q.aborted(v)
	}
	if op := c.send(ctx, q); op.Result == history.OK {
		c.send(ctx, u.pay(scheduleID, op.Answer.ReservationID).keyed(newKey()))
		c.findHold(ctx, u, scheduleID)
	}
}

// pay pays, after a charge if there are too few points.
func (c *client) pay(ctx context.Context, u *user, scheduleID int64, r reservation, v Visit) {
	q := u.pay(scheduleID, r.id).keyed(newKey())
	if v.Ending == PayAnswerLost {
		q = q.aborted(v)
	}
	op := c.send(ctx, q)
	if op.Code == string(boxoffice.CodeInsufficientPoints) {
		c.send(ctx, u.charge(price).keyed(newKey()))
		op = c.send(ctx, u.pay(scheduleID, r.id).keyed(newKey()))
	}
	c.paid(ctx, u, scheduleID, v, op)
}

// paid goes on from the answers to a payment, sent once or twice.
func (c *client) paid(ctx context.Context, u *user, scheduleID int64, v Visit, answers ...history.Operation) {
	for _, op := range answers {
		if op.Result == history.OK {
			payment := op.Answer.PaymentUUID()
			u.paid[scheduleID] = payment
			delete(u.places, scheduleID) // used up
			if v.Aftermath == ReuseKey {
				c.reuseKey(ctx, u, scheduleID, op.Request.Key)
			}
			c.giveBack(ctx, u, scheduleID, payment, v)
			return
		}
	}
}

// reuseKey pays for something else with a key that was answered.
func (c *client) reuseKey(ctx context.Context, u *user, scheduleID int64, key string) {
	q := u.pay(scheduleID, uuid.New()).keyed(key)
	q.request.KeyReused = true
	c.send(ctx, q)
}

// giveBack cancels a payment, if that is wanted.
func (c *client) giveBack(ctx context.Context, u *user, scheduleID int64, payment uuid.UUID, v Visit) {
	q := u.cancel(scheduleID, payment).keyed(newKey())
	rest(ctx, v.Think)
	var op history.Operation
	switch v.Aftermath {
	case Return:
		op = c.send(ctx, q)
	case ReturnTwice:
		op, _ = c.both(ctx, q, q)
	case ReturnTwoKeys:
		op, _ = c.both(ctx, q, q.keyed(newKey()))
	default:
		c.send(ctx, u.payment(scheduleID, payment))
		return
	}
	if op.Result == history.OK || op.Code == string(boxoffice.CodeAlreadyCancelled) {
		delete(u.paid, scheduleID)
	}
	if v.Look {
		c.send(ctx, u.payment(scheduleID, payment))
	}
}
