package persistence_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

func TestAHoldNeedsItsAdmittedPlace(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, stranger, id := f.user(0), f.user(0), f.schedule(0)
	r := f.room(id)
	a := r.admit(user, stranger)
	s := f.seller(id)

	foreign := a[0]
	foreign.UserID = stranger
	c, _ := s.decide(hold(foreign, 1))
	result := f.commit(c)
	require.Equal(t, boxoffice.RefusedPlace, result.Refusals[0].Reason)
	require.Equal(t, boxoffice.PlaceRow{Sequence: a[0].Sequence, Status: boxoffice.PlaceAdmitted}, result.Refusals[0].Place)

	events, refusal := r.Decide(waitingroom.Leave{UserID: user, Sequence: a[0].Sequence}, f.now)
	require.Nil(t, refusal)
	r.apply(events...)
	c, _ = s.decide(hold(a[0], 1))
	result = f.commit(c)
	require.Equal(t, boxoffice.RefusedPlace, result.Refusals[0].Reason)
	require.Equal(t, boxoffice.PlaceLeft, result.Refusals[0].Place.Status)
	f.sound()
}

// Both requests may be on their way at once, and come to one commit.
func TestWhoLeavesMayJoinAgainInTheSameCommit(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, id := f.user(0), f.schedule(0)
	r := f.room(id)
	a := r.admit(user)
	result := f.commit(boxoffice.Commit{
		Grain: boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: id}, Epoch: r.Epoch, Version: r.Version,
		Events: []boxoffice.Event{
			{At: f.now, Data: waitingroom.Ended{Sequences: []uint64{a[0].Sequence}, Status: boxoffice.PlaceLeft}},
			{At: f.now, Data: waitingroom.Joined{First: r.NextSequence(), UserIDs: []uuid.UUID{user}}},
		},
	})
	require.NoError(t, result.Err)
	require.Empty(t, result.Refusals)
}

func TestAPlaceWithALiveHoldDoesNotExpire(t *testing.T) {
	t.Parallel()
	f := setup(t)
	users := []uuid.UUID{f.user(0), f.user(0), f.user(0)}
	id := f.schedule(0)
	r := f.room(id)
	a := r.admit(users...)
	s := f.seller(id)
	held, bought := hold(a[0], 1), hold(a[1], 2)
	s.do(held, bought, pay(bought, "k"))

	expire := func(sequences ...uint64) boxoffice.CommitResult {
		return f.commit(boxoffice.Commit{
			Grain: boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: id}, Epoch: r.Epoch, Version: r.Version,
			Events: []boxoffice.Event{{At: f.now, Data: waitingroom.Ended{
				Sequences: sequences, Status: boxoffice.PlaceExpired,
			}}},
		})
	}
	result := expire(a[0].Sequence, a[1].Sequence, a[2].Sequence)
	require.Equal(t, []boxoffice.CommitRefusal{
		{Reason: boxoffice.RefusedPlaceHeld, Place: boxoffice.PlaceRow{
			Sequence: a[0].Sequence, Status: boxoffice.PlaceAdmitted, HeldUntil: f.now.Add(holdTTL),
		}},
		{Reason: boxoffice.RefusedPlaceHeld, Place: boxoffice.PlaceRow{
			Sequence: a[1].Sequence, Status: boxoffice.PlaceCompleted,
		}},
	}, result.Refusals)

	f.now = f.now.Add(holdTTL) // the hold is over, though nobody wrote that down
	require.Equal(t, boxoffice.CommitResult{}, expire(a[0].Sequence, a[2].Sequence))
	f.exec("UPDATE reservations SET status = 'expired', expires_at = NULL, ended_at = now() WHERE id = $1", held.ReservationID)
	require.Equal(t, "expired", value[string](f, "SELECT status FROM queue_places WHERE sequence = $1", a[0].Sequence))
}

// What ends a place without a condition comes second to whatever ended it first.
func TestTheFirstEndOfAPlaceCounts(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, id := f.user(0), f.schedule(0)
	r := f.room(id)
	admission := r.admit(user)[0]
	s := f.seller(id)
	held := hold(admission, 1)
	s.do(held, pay(held, "k"))
	events, refusal := r.Decide(waitingroom.Leave{UserID: user, Sequence: admission.Sequence}, f.now)
	require.Nil(t, refusal)
	r.apply(events...)
	require.Equal(t, "completed", value[string](f, "SELECT status FROM queue_places"))
	f.sound()
}

func TestAKeyHasOneAnswer(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(1000)
	sell := func() (*seller, seatmap.Hold) {
		id := f.schedule(300)
		admission := f.room(id).admit(user)[0]
		s := f.seller(id)
		held := hold(admission, 1)
		s.do(held)
		return s, held
	}
	first, firstHold := sell()
	second, secondHold := sell()
	firstPay, secondPay := pay(firstHold, "k"), pay(secondHold, "k")
	secondPay.Key.Digest[0]++ // another request

	// In one group.
	one, _ := first.decide(firstPay)
	two, _ := second.decide(secondPay)
	results := f.group(one, two)
	require.NoError(t, results[0].Err)
	require.Empty(t, results[0].Refusals)
	require.Len(t, results[1].Refusals, 1)
	refusal := results[1].Refusals[0]
	require.Equal(t, boxoffice.RefusedKey, refusal.Reason)
	require.Equal(t, secondPay.ID, refusal.OperationID)
	require.Equal(t, firstPay.ID, refusal.StoredID)
	require.False(t, refusal.SameRequest)
	require.Equal(t, firstPay.PaymentID, refusal.Stored.Payment.ID)
	require.Equal(t, int64(700), refusal.Stored.Payment.Balance)

	// And later: the stored one.
	results = f.group(two)
	require.Equal(t, refusal, results[0].Refusals[0])
	_, _, err := f.db.StoredAnswer(f.ctx, secondPay.Key)
	require.Equal(t, boxoffice.CodeIdempotencyKeyReused, boxoffice.CodeOf(err))

	// The same request again is told apart; without points, one round trip is tried first.
	same := firstPay.Key
	c, _ := second.decide()
	c.Answers = []boxoffice.Answer{{OperationID: newID(), Key: same, Outcome: boxoffice.Outcome{At: f.now}}}
	results = f.group(c)
	require.True(t, results[0].Refusals[0].SameRequest)
	require.Equal(t, 2, f.reports.last().Transactions)

	// Two operations of one commit share no key either.
	key := operation(user, "other", "k").Key
	c.Answers = []boxoffice.Answer{
		{OperationID: newID(), Key: key, Outcome: boxoffice.Outcome{At: f.now}},
		{OperationID: newID(), Key: key, Outcome: boxoffice.Outcome{At: f.now}},
	}
	results = f.group(c)
	require.Len(t, results[0].Refusals, 1)
	require.Equal(t, c.Answers[1].OperationID, results[0].Refusals[0].OperationID)
	f.sound()
}

func TestPaymentsOfOneAccountInOneGroup(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(1000)
	var commits []boxoffice.Commit
	var payments []uuid.UUID
	for range 4 {
		id := f.schedule(300)
		admission := f.room(id).admit(user)[0]
		s := f.seller(id)
		held := hold(admission, 1)
		s.do(held)
		paid := pay(held, newID().String())
		c, _ := s.decide(paid)
		commits, payments = append(commits, c), append(payments, paid.PaymentID)
	}
	results := f.group(commits...)
	for i, balance := range []int64{700, 400, 100} {
		require.Equal(t, boxoffice.CommitResult{Balances: map[boxoffice.Movement]int64{{ID: payments[i]}: balance}}, results[i])
	}
	require.Equal(t, boxoffice.RefusedPoints, results[3].Refusals[0].Reason)
	require.Equal(t, int64(100), results[3].Refusals[0].Balance)
	f.sound()
}

// Only charges know the limit of an account.
func TestARefundIsNeverRefusedForTheLimit(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, id := f.user(1000), f.schedule(300)
	admission := f.room(id).admit(user)[0]
	s := f.seller(id)
	held := hold(admission, 1)
	paid := pay(held, "k")
	s.do(held, paid)
	f.exec("UPDATE accounts SET balance = $2 WHERE user_id = $1", user, boxoffice.MaxBalance)
	_, result := s.do(cancel(paid, "k"))
	require.Equal(t, map[boxoffice.Movement]int64{{ID: paid.PaymentID, Refund: true}: boxoffice.MaxBalance + 300}, result.Balances)
	payment, err := f.db.Payment(f.ctx, paid.PaymentID)
	require.NoError(t, err)
	require.Equal(t, boxoffice.MaxBalance+300, payment.Balance)

	outcome, err := f.journal.Charge(f.ctx, operation(user, "charge", "k"), user, 1, f.now)
	require.NoError(t, err)
	require.Equal(t, boxoffice.CodeBalanceLimit, outcome.Refusal.Code)
	// And who has more than the limit can pay.
	second := hold(f.room(id).admit(user)[0], 2)
	_, result = s.do(second, pay(second, "second"))
	require.Len(t, result.Balances, 1)
}

// A payment and its refund in one commit have a balance each, and the answer that the
// payment's key keeps is the one that was given.
func TestAPaymentThatIsRefundedInItsCommit(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, id := f.user(1000), f.schedule(300)
	s := f.seller(id)
	held := hold(f.room(id).admit(user)[0], 1)
	paid := pay(held, "k")
	_, result := s.do(held, paid, cancel(paid, "c"))
	require.Equal(t, map[boxoffice.Movement]int64{
		{ID: paid.PaymentID}: 700, {ID: paid.PaymentID, Refund: true}: 1000,
	}, result.Balances)
	stored, found, err := f.db.StoredAnswer(f.ctx, paid.Key)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, int64(700), stored.Payment.Balance)
	f.sound()
}

// A call that crosses a broken connection may be delivered again after its hold has ended.
func TestAHoldThatComesAgainAfterItsEnd(t *testing.T) {
	t.Parallel()
	f := setup(t)
	users, id := []uuid.UUID{f.user(0), f.user(0)}, f.schedule(0)
	admissions := f.room(id).admit(users...)
	s := f.seller(id)
	first := hold(admissions[0], 1)
	s.do(first)
	s.do(seatmap.Release{Operation: boxoffice.Operation{ID: newID()}, ReservationID: first.ReservationID, UserID: users[0]})
	c, _ := s.decide(first)
	other, _ := s.decide(hold(admissions[1], 2))
	c.Events = append(c.Events, other.Events...)
	result := f.commit(c)
	require.NoError(t, result.Err)
	require.Equal(t, []boxoffice.CommitRefusal{{Reason: boxoffice.RefusedRepeated, OperationID: first.ID}}, result.Refusals)
	f.sound()
}
