package seatmap_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/seatmap"
)

// The schedule against a model that is too dumb to be wrong: a list of everything that
// was ever claimed, searched from the start for every question.

// modelClaim is one hold and what became of it.
type modelClaim struct {
	seatmap.Hold
	payment uuid.UUID // zero until paid
	end     time.Time // of the hold
	over    bool      // released, cancelled
}

type scheduleModel struct {
	claims []*modelClaim
	ended  map[uint64]bool // places that may not be used any more
}

func (m *scheduleModel) find(now time.Time, match func(*modelClaim) bool) *modelClaim {
	for _, c := range m.claims {
		live := !c.over && (c.payment != uuid.Nil || now.Before(c.end))
		if live && match(c) {
			return c
		}
	}
	return nil
}

// decide applies what was decided, and returns the code of the refusal, or "".
func (m *scheduleModel) decide(cmd seatmap.Command, now time.Time) boxoffice.Code {
	switch c := cmd.(type) {
	case seatmap.Hold:
		return m.hold(c, now)
	case seatmap.Pay:
		own := m.find(now, func(o *modelClaim) bool { return o.ReservationID == c.ReservationID })
		switch {
		case own == nil:
			return boxoffice.CodeHoldExpired
		case own.UserID != c.UserID:
			return boxoffice.CodeReservationNotFound
		case own.payment != uuid.Nil:
			return boxoffice.CodeAlreadyPaid
		}
		own.payment = c.PaymentID
		m.ended[own.Sequence] = true
	case seatmap.Release:
		own := m.find(now, func(o *modelClaim) bool { return o.ReservationID == c.ReservationID })
		switch {
		case own == nil:
			return ""
		case own.UserID != c.UserID:
			return boxoffice.CodeReservationNotFound
		case own.payment != uuid.Nil:
			return boxoffice.CodeAlreadyPaid
		}
		own.over = true
	case seatmap.Cancel:
		own := m.find(now, func(o *modelClaim) bool { return o.payment == c.PaymentID })
		switch {
		case own == nil:
			return boxoffice.CodeAlreadyCancelled
		case own.UserID != c.UserID:
			return boxoffice.CodePaymentNotFound
		case !now.Before(terms().CancellationClosesAt):
			return boxoffice.CodeCancellationClosed
		}
		own.over = true
	case seatmap.EndPlace:
		own := m.find(now, func(o *modelClaim) bool {
			return o.UserID == c.UserID && o.Sequence == c.Sequence && o.payment == uuid.Nil
		})
		if own != nil {
			own.over = true
		}
		m.ended[c.Sequence] = true
	}
	return ""
}

func (m *scheduleModel) hold(c seatmap.Hold, now time.Time) boxoffice.Code {
	own := m.find(now, func(o *modelClaim) bool { return o.UserID == c.UserID })
	admitted := now.Before(c.EndsAt) || own != nil && own.payment == uuid.Nil && own.Sequence == c.Sequence
	if m.ended[c.Sequence] || !admitted {
		return boxoffice.CodeQueueTokenExpired
	}
	if own != nil && own.payment == uuid.Nil && own.SeatNumber == c.SeatNumber {
		return ""
	}
	switch {
	case own != nil:
		return boxoffice.CodeAlreadyReserved
	case now.Before(terms().SalesOpenAt) || !now.Before(terms().SalesCloseAt):
		return boxoffice.CodeSalesClosed
	case m.find(now, func(o *modelClaim) bool { return o.SeatNumber == c.SeatNumber }) != nil:
		return boxoffice.CodeSeatTaken
	}
	m.claims = append(m.claims, &modelClaim{Hold: c, end: now.Add(c.TTL)})
	return ""
}

// scheduleRun is one history of commands on a schedule and on its model.
type scheduleRun struct {
	schedule   *seatmap.Seats
	model      scheduleModel
	now        time.Time
	operations int
	events     []boxoffice.Event // all of them
	snapshot   []byte            // of the state after the first `snapshotAt` events
	snapshotAt int
	version    int64 // of the newest seat map that was seen
	view       followedView
}

func newScheduleRun(t *rapid.T) *scheduleRun {
	return &scheduleRun{
		schedule: newSchedule(t),
		model:    scheduleModel{ended: make(map[uint64]bool)},
		now:      at(0),
		events:   []boxoffice.Event{opened()},
		view:     followedView{view: newSchedule(t).View(), told: 1},
	}
}

// command draws a command of one of a few users on a few seats.
func (r *scheduleRun) command(t *rapid.T) seatmap.Command {
	r.operations++
	op := operation(r.operations)
	who := rapid.IntRange(1, 4).Draw(t, "user")
	// Mostly a claim that somebody has or had, now and then one that never was.
	claimed := &modelClaim{Hold: seatmap.Hold{ReservationID: reservation(0)}, payment: payment(0)}
	if len(r.model.claims) > 0 && rapid.IntRange(0, 9).Draw(t, "known") > 0 {
		fromEnd := rapid.IntRange(0, min(5, len(r.model.claims)-1)).Draw(t, "claim")
		claimed = r.model.claims[len(r.model.claims)-1-fromEnd]
	}
	owner := claimed.UserID
	if rapid.IntRange(0, 9).Draw(t, "stranger") == 0 {
		owner = user(who)
	}
	sequence := uint64(who*1000 + rapid.IntRange(0, 3).Draw(t, "place"))
	endsAt := at(time.Duration(sequence%4) * 40 * time.Minute)
	switch rapid.IntRange(0, 9).Draw(t, "command") {
	case 0, 1, 2, 3:
		return seatmap.Hold{
			Operation:     op,
			Admission:     boxoffice.Admission{UserID: user(who), Sequence: sequence, EndsAt: endsAt},
			ReservationID: reservation(r.operations),
			SeatNumber:    rapid.IntRange(1, 3).Draw(t, "seat"),
			TTL:           holdTTL,
		}
	case 4, 5, 6:
		return seatmap.Pay{
			Operation: op, PaymentID: payment(r.operations), ReservationID: claimed.ReservationID, UserID: owner,
		}
	case 7:
		return seatmap.Release{Operation: op, ReservationID: claimed.ReservationID, UserID: owner}
	case 8:
		// An unpaid claim's payment is as unknown as any.
		return seatmap.Cancel{Operation: op, PaymentID: latestPayment(claimed), UserID: owner}
	default:
		return seatmap.EndPlace{Operation: op, UserID: user(who), EndedPlace: boxoffice.EndedPlace{Sequence: sequence, EndsAt: endsAt}}
	}
}

func latestPayment(c *modelClaim) uuid.UUID {
	if c.payment == uuid.Nil {
		return payment(0)
	}
	return c.payment
}

// decide runs one command on both, as a grain does: on a clone that replaces the
// original, or is dropped when the commit is refused.
func (r *scheduleRun) decide(t *rapid.T) {
	cmd := r.command(t)
	if rapid.IntRange(0, 9).Draw(t, "refused") == 0 {
		act(r.schedule.Clone(), cmd, r.now)
	}
	clone := r.schedule.Clone()
	events, outcome := act(clone, cmd, r.now)
	want := r.model.decide(cmd, r.now)
	var got boxoffice.Code
	if outcome.Refusal != nil {
		got = outcome.Refusal.Code
		require.Empty(t, events, "a refusal has no events")
	}
	require.Equal(t, want, got, "%T at %v: %+v", cmd, r.now, cmd)

	again, sameOutcome := clone.Decide(cmd, r.now)
	if len(events) > 0 {
		require.Empty(t, again, "an operation has its effect once")
		if _, ok := cmd.(seatmap.Hold); ok {
			require.Equal(t, outcome, sameOutcome)
		}
	}
	clone.Keep()
	r.events = append(r.events, events...)
	r.schedule = clone
}

func (r *scheduleRun) pass(t *rapid.T) {
	r.now = r.now.Add(rapid.SampledFrom([]time.Duration{
		time.Millisecond, time.Millisecond, time.Second, time.Second, time.Minute, holdTTL - time.Millisecond, holdTTL,
	}).Draw(t, "time"))
	if rapid.IntRange(0, 30).Draw(t, "late") == 0 {
		r.now = r.now.Add(rapid.SampledFrom([]time.Duration{2 * time.Hour, 13 * time.Hour}).Draw(t, "much time"))
	}
	// To the edge of what happens next, on either side of it.
	if wake := r.schedule.NextDue(); wake.After(r.now) && rapid.Bool().Draw(t, "edge") {
		r.now = wake.Add(time.Duration(rapid.IntRange(-1, 0).Draw(t, "side")) * time.Millisecond)
	}
}

func (r *scheduleRun) expire(*rapid.T) {
	for _, e := range r.schedule.Due(r.now) {
		r.schedule.Apply(e)
		r.events = append(r.events, e)
	}
}

func (r *scheduleRun) takeSnapshot(t *rapid.T) {
	r.snapshot, r.snapshotAt = []byte(fixture.Snapshot(t, r.schedule)), len(r.events)
}

// check compares everything that can be seen.
func (r *scheduleRun) check(t *rapid.T) {
	seats := r.schedule.SeatMap(r.now)
	var got, want [boxoffice.SeatCount]boxoffice.SeatStatus
	available := []int{}
	for i := range want {
		got[i], want[i] = seats.Statuses[i], boxoffice.SeatAvailable
		own := r.model.find(r.now, func(c *modelClaim) bool { return c.SeatNumber == i+1 })
		switch {
		case own == nil:
			available = append(available, i+1)
		case own.payment != uuid.Nil:
			want[i] = boxoffice.SeatSold
		default:
			want[i] = boxoffice.SeatHeld
		}
	}
	require.Equal(t, want, got)
	require.Equal(t, available, r.schedule.AvailableSeats(r.now))
	require.Equal(t, len(available), r.schedule.Available(r.now))
	require.GreaterOrEqual(t, seats.Version, r.version)
	r.version = seats.Version
	r.view.check(t, r)
}

// replay rebuilds the state from what is stored.
func (r *scheduleRun) replay(t *rapid.T) {
	replayed, err := seatmap.Restore(nil, r.events)
	require.NoError(t, err)
	require.Equal(t, fixture.Snapshot(t, r.schedule), fixture.Snapshot(t, replayed), "replay gives the state")
	if r.snapshot == nil {
		return
	}
	restored, err := seatmap.Restore(r.snapshot, r.events[r.snapshotAt:])
	require.NoError(t, err)
	require.Equal(t, fixture.Snapshot(t, replayed), fixture.Snapshot(t, restored), "snapshot and tail give the state")
	require.Equal(t, r.schedule.SeatMap(r.now), restored.SeatMap(r.now))
}

func TestScheduleKeepsToItsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newScheduleRun(t)
		t.Repeat(map[string]func(*rapid.T){
			"decide":       r.decide,
			"decide more":  r.decide,
			"decide again": r.decide,
			"pass":         r.pass,
			"expire":       r.expire,
			"snapshot":     r.takeSnapshot,
			"replay":       r.replay,
			"":             r.check,
		})
		r.replay(t)
		checkOwners(t, r.events)
	})
}

// checkOwners reads the events alone: a seat never has two owners, a user never two
// seats, and every sale is of a live hold.
func checkOwners(t *rapid.T, events []boxoffice.Event) {
	type owner struct {
		seatmap.Held
		sold bool
	}
	owners := make(map[int]owner)
	for _, e := range events {
		switch d := e.Data.(type) {
		case seatmap.Held:
			require.NotContains(t, owners, d.SeatNumber)
			for _, o := range owners {
				require.NotEqual(t, d.UserID, o.UserID)
			}
			owners[d.SeatNumber] = owner{Held: d}
		case seatmap.Confirmed:
			o := owners[d.SeatNumber]
			require.Equal(t, []any{d.ReservationID, d.UserID, d.Amount, false}, []any{o.ReservationID, o.UserID, o.Price, o.sold})
			require.True(t, e.At.Before(o.ExpiresAt))
			o.sold = true
			owners[d.SeatNumber] = o
		case seatmap.Expired:
			require.False(t, owners[d.SeatNumber].sold)
			require.False(t, e.At.Before(owners[d.SeatNumber].ExpiresAt))
			delete(owners, d.SeatNumber)
		case seatmap.Released:
			require.False(t, owners[d.SeatNumber].sold)
			delete(owners, d.SeatNumber)
		case seatmap.Cancelled:
			require.True(t, owners[d.SeatNumber].sold)
			delete(owners, d.SeatNumber)
		}
	}
	require.True(t, slices.IsSortedFunc(events, func(a, b boxoffice.Event) int { return a.At.Compare(b.At) }))
}
