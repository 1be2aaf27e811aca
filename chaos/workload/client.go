package workload

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/chaos/history"
)

// Patience of clients.
const (
	maxAttempts  = 8 // of a request whose result is not known
	shortBackoff = 20 * time.Millisecond
	longBackoff  = 200 * time.Millisecond
	pollEvery    = 150 * time.Millisecond // of who waits in line
	linePatience = 4 * time.Second
	// clientStream keeps what a client improvises apart from its script.
	clientStream = 0x6c75636b << 16 // "luck"
)

// client acts for some users, one visit after the other.
type client struct {
	api       *API
	index     int
	sticky    bool // stays with one node
	retries   bool // sends again what it does not know the result of
	script    *Script
	luck      *rand.Rand // nodes and pauses
	users     []*user
	schedules []int64
}

func newClient(api *API, seed uint64, index, users int, schedules []int64) *client {
	return &client{
		api: api, index: index, sticky: index%2 == 0, retries: index/2%2 == 0,
		script:    NewScript(seed, index, len(schedules), users),
		luck:      rand.New(rand.NewPCG(seed, clientStream+uint64(index))),
		schedules: schedules,
	}
}

// run makes visits until ctx ends.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		c.visit(ctx, c.script.Next())
	}
}

// node chooses whom to ask.
func (c *client) node() int {
	if c.sticky {
		return c.index / 2 % len(c.api.urls)
	}
	return c.luck.IntN(len(c.api.urls))
}

// send sends a request, and again where that is the client's way and safe.
func (c *client) send(ctx context.Context, q ask) history.Operation {
	for attempt := 1; ; attempt++ {
		op := c.api.send(ctx, c.index, c.node(), q)
		if op.Result.Definite() {
			return op
		}
		rest(ctx, shortBackoff+time.Duration(c.luck.Int64N(int64(longBackoff-shortBackoff))))
		again := op.Result == history.Failed || c.retries && q.repeatable()
		if !again || attempt == maxAttempts || ctx.Err() != nil {
			return op
		}
		q.abort = 0
	}
}

// repeatable reports whether a request may be sent again when nobody knows what came of it.
func (q ask) repeatable() bool {
	return q.request.Key != "" || q.kind != history.Hold && q.kind != history.Register
}

// both sends two requests at once, to different nodes where there are.
func (c *client) both(ctx context.Context, first, second ask) (a, b history.Operation) {
	node := c.node()
	var sending sync.WaitGroup
	sending.Go(func() { b = c.api.send(ctx, c.index, (node+1)%len(c.api.urls), second) })
	a = c.api.send(ctx, c.index, node, first)
	sending.Wait()
	return a, b
}

// rest waits, or returns early when the run ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func newKey() string { return uuid.NewString() }

// visit does what a visitor wants, as far as it gets.
func (c *client) visit(ctx context.Context, v Visit) {
	u, scheduleID := c.users[v.User], c.schedules[v.Schedule]
	rest(ctx, v.Think)
	if v.Charge > 0 {
		c.charge(ctx, u, v)
	}
	if payment := u.paid[scheduleID]; payment != uuid.Nil {
		c.giveBack(ctx, u, scheduleID, payment, Visit{Aftermath: Return})
	}
	if !c.enter(ctx, u, scheduleID, v) {
		return
	}
	if v.Look {
		c.send(ctx, u.seats(scheduleID))
	}
	if r, ok := c.hold(ctx, u, scheduleID, v); ok {
		c.end(ctx, u, scheduleID, r, v)
	}
	if v.Look {
		c.send(ctx, u.points())
		c.send(ctx, u.ledger())
	}
}

func (c *client) charge(ctx context.Context, u *user, v Visit) {
	q := u.charge(v.Charge).keyed(newKey())
	if v.Twice {
		c.both(ctx, q, q)
		return
	}
	c.send(ctx, q)
}

// enter gets an admitted place.
func (c *client) enter(ctx context.Context, u *user, scheduleID int64, v Visit) bool {
	if u.places[scheduleID] == "" || v.Rejoin || c.stale(u, scheduleID) {
		op := c.send(ctx, u.join(scheduleID))
		if op.Result != history.OK {
			return false
		}
		u.places[scheduleID] = op.Answer.Token
	}
	for began := time.Now(); ctx.Err() == nil; {
		if token, _ := history.ReadToken(u.places[scheduleID]); token.Admitted() {
			return true
		}
		if time.Since(began) > linePatience {
			break
		}
		rest(ctx, pollEvery)
		switch op := c.send(ctx, u.place(scheduleID)); {
		case op.Result == history.OK:
			u.places[scheduleID] = op.Answer.Token
		case op.Result == history.Refused:
			delete(u.places, scheduleID)
			return false
		}
	}
	if v.Impatient && ctx.Err() == nil {
		c.leave(ctx, u, scheduleID)
	}
	return false
}

// stale reports whether an admission is over, and whether its holder has noticed: most do.
func (c *client) stale(u *user, scheduleID int64) bool {
	token, err := history.ReadToken(u.places[scheduleID])
	over := err == nil && token.Admitted() && time.Now().UnixMilli() > token.AdmittedUntil
	return over && c.luck.IntN(4) > 0
}

func (c *client) leave(ctx context.Context, u *user, scheduleID int64) {
	c.send(ctx, u.leave(scheduleID))
	delete(u.places, scheduleID)
}

// reservation is a hold that a client knows of.
type reservation struct {
	id        uuid.UUID
	seat      int
	expiresAt time.Time
}

// hold holds a seat.
func (c *client) hold(ctx context.Context, u *user, scheduleID int64, v Visit) (reservation, bool) {
	seat := v.Seat
	if seat == 0 {
		seat = 1 + c.luck.IntN(boxoffice.SeatCount)
	}
	for attempt := 1; ; attempt++ {
		q := u.hold(scheduleID, seat)
		if v.Keyed {
			q = q.keyed(newKey())
		}
		op := c.send(ctx, q)
		switch {
		case op.Result == history.OK && op.Answer.ExpiresAt != nil:
			return reservation{op.Answer.ReservationID, seat, *op.Answer.ExpiresAt}, true
		case op.Code == string(boxoffice.CodeSeatTaken) && v.Seat == 0 && len(op.Answer.AvailableSeats) > 0 && attempt < 3:
			seat = op.Answer.AvailableSeats[len(op.Answer.AvailableSeats)-1]
		case op.Code == string(boxoffice.CodeAlreadyReserved), op.Result == history.Unknown:
			return c.findHold(ctx, u, scheduleID)
		case op.Code == string(boxoffice.CodeQueueTokenExpired), op.Code == string(boxoffice.CodeNotAdmitted):
			delete(u.places, scheduleID)
			return reservation{}, false
		default:
			return reservation{}, false
		}
	}
}

// findHold looks what the user has of a schedule: a hold is taken up, a seat that is
// paid is noted.
func (c *client) findHold(ctx context.Context, u *user, scheduleID int64) (reservation, bool) {
	op := c.send(ctx, u.reservations())
	i := slices.IndexFunc(op.Answer.Items, func(item history.Item) bool {
		return item.ScheduleID == scheduleID && (item.Status == "held" || item.Status == "confirmed")
	})
	if i < 0 {
		return reservation{}, false
	}
	item := op.Answer.Items[i]
	if item.Status == "confirmed" && item.PaymentID != nil {
		u.paid[scheduleID] = *item.PaymentID
		return reservation{}, false
	}
	if item.ExpiresAt == nil {
		return reservation{}, false
	}
	return reservation{item.ReservationID, item.SeatNumber, *item.ExpiresAt}, true
}
