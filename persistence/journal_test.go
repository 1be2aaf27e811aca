package persistence_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/persistence"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// group writes commits as one group.
func (f *fixture) group(commits ...boxoffice.Commit) []boxoffice.CommitResult {
	f.t.Helper()
	results, err := f.journal.WriteGroup(f.ctx, commits...)
	require.NoError(f.t, err)
	return results
}

func TestCommitProjectsAPurchase(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, id := f.user(1000), f.schedule(300)
	admission := f.room(id).admit(user)[0]
	s := f.seller(id)

	held := hold(admission, 7)
	outcomes, _ := s.do(held) // after joining and being admitted
	require.Equal(t, 1, f.reports.lastOf(t, 3).Transactions, "a hold needs one round trip")
	got, err := f.db.Reservation(f.ctx, held.ReservationID, f.now)
	require.NoError(t, err)
	require.Equal(t, *outcomes[0].Reservation, got)
	places := f.places(id, admission.Sequence)
	require.Equal(t, []boxoffice.PlaceRow{
		{Sequence: admission.Sequence, Status: boxoffice.PlaceAdmitted, HeldUntil: f.now.Add(holdTTL)},
	}, places)

	paid := pay(held, "k")
	outcomes, result := s.do(paid)
	require.Equal(t, map[boxoffice.Movement]int64{{ID: paid.PaymentID}: 700}, result.Balances)
	payment, err := f.db.Payment(f.ctx, paid.PaymentID)
	require.NoError(t, err)
	expected := *outcomes[0].Payment
	expected.Balance = 700
	require.Equal(t, expected, payment)
	stored, found, err := f.db.StoredAnswer(f.ctx, paid.Key)
	require.NoError(t, err)
	require.True(t, found)
	require.True(t, stored.Replayed)
	require.Equal(t, expected, *stored.Payment, "the stored answer tells the balance")
	places = f.places(id, admission.Sequence)
	require.Equal(t, []boxoffice.PlaceRow{{Sequence: admission.Sequence, Status: boxoffice.PlaceCompleted}}, places)

	outcomes, result = s.do(cancel(paid, "k"))
	require.Equal(t, map[boxoffice.Movement]int64{{ID: paid.PaymentID, Refund: true}: 1000}, result.Balances)
	payment, err = f.db.Payment(f.ctx, paid.PaymentID)
	require.NoError(t, err)
	expected = *outcomes[0].Payment
	expected.Balance = 1000
	require.Equal(t, expected, payment)
	require.Equal(t, boxoffice.PaymentCancelled, payment.Status)
	got, err = f.db.Reservation(f.ctx, held.ReservationID, f.now)
	require.NoError(t, err)
	require.Equal(t, boxoffice.ReservationCancelled, got.Status)
	f.sound()
}

func TestCommitFoldsWhatHappensTwiceInABatch(t *testing.T) {
	t.Parallel()
	f := setup(t)
	one, two, id := f.user(0), f.user(0), f.schedule(0)
	a := f.room(id).admit(one, two)
	s := f.seller(id)

	first := hold(a[0], 7)
	s.do(first)
	// In one commit: the seat is freed, held by another user, freed, and held again by the
	// first; the second user holds another one and pays for it.
	again, second, other := hold(a[0], 7), hold(a[1], 7), hold(a[1], 8)
	s.do(
		seatmap.Release{Operation: boxoffice.Operation{ID: newID()}, ReservationID: first.ReservationID, UserID: one},
		second,
		seatmap.Release{Operation: boxoffice.Operation{ID: newID()}, ReservationID: second.ReservationID, UserID: two},
		again, other, pay(other, "k"),
	)
	places := f.places(id, a[0].Sequence, a[1].Sequence)
	require.Equal(t, []boxoffice.PlaceRow{
		{Sequence: a[0].Sequence, Status: boxoffice.PlaceAdmitted, HeldUntil: f.now.Add(holdTTL)},
		{Sequence: a[1].Sequence, Status: boxoffice.PlaceCompleted},
	}, places)
	f.sound()
}

func TestAnExpiredHoldMakesRoomInTheSameCommit(t *testing.T) {
	t.Parallel()
	f := setup(t)
	one, two, id := f.user(0), f.user(0), f.schedule(0)
	a := f.room(id).admit(one, two)
	s := f.seller(id)
	first := hold(a[0], 7)
	s.do(first)
	f.now = f.now.Add(holdTTL)
	s.do(hold(a[1], 7))
	got, err := f.db.Reservation(f.ctx, first.ReservationID, f.now)
	require.NoError(t, err)
	require.Equal(t, boxoffice.ReservationExpired, got.Status)
	f.sound()
}

func TestStaleCommitsAreFenced(t *testing.T) {
	t.Parallel()
	f := setup(t)
	a := f.schedule(0)
	admission := f.room(a).admit(f.user(0))[0]
	stale := f.seller(a)
	fresh := f.seller(a)
	require.Equal(t, stale.Epoch+1, fresh.Epoch)

	write, _ := stale.decide(hold(admission, 1))
	confirm, _ := stale.decide()
	save := confirm
	save.Snapshot = []byte(`{}`)
	for name, c := range map[string]boxoffice.Commit{"events": write, "confirmation": confirm, "snapshot": save} {
		require.ErrorIs(t, f.commit(c).Err, boxoffice.ErrFenced, name)
	}

	c, _ := fresh.decide()
	require.NoError(t, f.commit(c).Err)
	held, _ := fresh.decide(hold(admission, 1))
	require.NoError(t, f.commit(held).Err)
	require.ErrorIs(t, f.commit(held).Err, boxoffice.ErrFenced, "the version is over")
	require.ErrorIs(t, f.commit(c).Err, boxoffice.ErrFenced, "so is that of the confirmation")
	future := held
	future.Version += 5
	require.ErrorIs(t, f.commit(future).Err, boxoffice.ErrFenced)
	nowhere := held
	nowhere.Grain.ID = 999_999
	require.ErrorIs(t, f.commit(nowhere).Err, boxoffice.ErrFenced)
	f.sound()
}

func TestAGroupIsWrittenWithoutThoseThatCannotBe(t *testing.T) {
	t.Parallel()
	f := setup(t)
	rich, poor := f.user(1000), f.user(10)
	sell := func(user uuid.UUID) (*seller, seatmap.Hold) {
		id := f.schedule(300)
		admission := f.room(id).admit(user)[0]
		s := f.seller(id)
		held := hold(admission, 1)
		s.do(held)
		return s, held
	}
	fine, fineHold := sell(rich)
	unpaid, unpaidHold := sell(poor)
	fenced, fencedHold := sell(rich)
	f.seller(fenced.id)
	gone := f.seller(f.schedule(0))
	confirmed := f.seller(f.schedule(0))

	finePay := pay(fineHold, "fine")
	fineCommit, _ := fine.decide(finePay)
	unpaidCommit, _ := unpaid.decide(pay(unpaidHold, "unpaid"))
	fencedCommit, _ := fenced.decide(pay(fencedHold, "fenced"))
	goneCommit, _ := gone.decide(hold(boxoffice.Admission{UserID: rich, Sequence: 5, EndsAt: f.now.Add(time.Hour)}, 1))
	confirmedCommit, _ := confirmed.decide()
	results := f.group(fineCommit, unpaidCommit, fencedCommit, goneCommit, confirmedCommit)

	require.Equal(t, boxoffice.CommitResult{Balances: map[boxoffice.Movement]int64{{ID: finePay.PaymentID}: 700}}, results[0])
	require.NoError(t, results[1].Err)
	require.Equal(t, []boxoffice.CommitRefusal{{
		Reason: boxoffice.RefusedPoints, OperationID: unpaidCommit.Events[0].OperationID, Balance: 10,
	}}, results[1].Refusals)
	require.ErrorIs(t, results[2].Err, boxoffice.ErrFenced)
	require.Equal(t, []boxoffice.CommitRefusal{{
		Reason: boxoffice.RefusedPlace, OperationID: goneCommit.Events[0].OperationID, Place: boxoffice.PlaceRow{Sequence: 5},
	}}, results[3].Refusals)
	require.Equal(t, boxoffice.CommitResult{}, results[4])
	report := f.reports.last()
	report.Duration = 0
	require.Equal(t, persistence.GroupReport{
		Commits: 5, Durable: 2, Events: 1, Fenced: 1, Refused: 2, Transactions: 2,
	}, report)
	f.sound()
}

// A group without points is written in one round trip, and in two more if a condition
// does not hold.
func TestAFailedConditionCostsTheOthersNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(0)
	s, other := f.seller(f.schedule(0)), f.schedule(0)
	admission := f.room(other).admit(user)[0]
	good := f.seller(other)
	bad, _ := s.decide(hold(boxoffice.Admission{UserID: user, Sequence: 1, EndsAt: f.now.Add(time.Hour)}, 1))
	c, _ := good.decide(hold(admission, 1))
	results := f.group(bad, c)
	require.Equal(t, boxoffice.RefusedPlace, results[0].Refusals[0].Reason)
	require.Equal(t, boxoffice.CommitResult{}, results[1])
	require.Equal(t, 2, f.reports.last().Transactions)
	f.sound()
}

// A mistake of the program that a constraint finds fails its own commit only.
func TestACommitThatBreaksAConstraintFailsAlone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, id := f.user(0), f.schedule(0)
	admission := f.room(id).admit(user)[0]
	good := f.seller(id)
	var broken []*seller
	for range 3 {
		id := f.schedule(0)
		f.room(id).admit(user)
		broken = append(broken, f.seller(id))
	}
	fine, _ := good.decide(hold(admission, 1))
	badSeat, _ := broken[0].decide(hold(admission, 1))
	d := badSeat.Events[0].Data.(seatmap.Held)
	d.SeatNumber = 51
	badSeat.Events[0].Data = d
	unheld, _ := broken[1].decide()
	unheld.Events = []boxoffice.Event{{At: f.now, Data: seatmap.Expired{ReservationID: newID(), SeatNumber: 1}}}
	badSnapshot, _ := broken[2].decide()
	badSnapshot.Snapshot = []byte("not json")

	results := f.group(fine, badSeat, unheld, badSnapshot)
	require.Equal(t, boxoffice.CommitResult{}, results[0])
	for i, result := range results[1:] {
		require.Error(t, result.Err, i)
		require.NotErrorIs(t, result.Err, boxoffice.ErrFenced)
		require.NotErrorIs(t, result.Err, boxoffice.ErrUnknown)
		require.Equal(t, boxoffice.CodeInternal, boxoffice.CodeOf(result.Err))
	}
	require.Equal(t, 3, f.reports.last().Rejected)

	// So does one that cannot even be put into rows.
	for _, e := range []boxoffice.EventData{
		nil, seatmap.Held{ExpiresAt: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		c, _ := broken[0].decide()
		c.Events = []boxoffice.Event{{At: f.now, Data: e}}
		err := f.commit(c).Err
		require.Equal(t, boxoffice.CodeInternal, boxoffice.CodeOf(err), "%v", err)
	}
	f.sound()
}

func TestAnAdmissionOfAPlaceThatDoesNotWaitIsRejected(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.schedule(0)
	r := f.room(id)
	admission := r.admit(f.user(0))[0]
	result := f.commit(boxoffice.Commit{
		Grain: boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: id}, Epoch: r.Epoch, Version: r.Version,
		Events: []boxoffice.Event{{At: f.now, Data: waitingroom.Admitted{
			Sequences: []uint64{admission.Sequence}, EndsAt: f.now.Add(time.Hour),
		}}},
	})
	require.ErrorContains(t, result.Err, "does not wait")
	require.Equal(t, boxoffice.CodeInternal, boxoffice.CodeOf(result.Err))
}

// A waiting room may let in more at once than a group has rows.
func TestALargeCommit(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.schedule(0)
	r := f.room(id)
	const crowd = 20_001
	everybody := crowd
	events, refusal := r.Decide(boxoffice.Configure{Capacity: &everybody}, f.now)
	require.Nil(t, refusal)
	joined := waitingroom.Joined{First: 1}
	for range crowd {
		joined.UserIDs = append(joined.UserIDs, newID())
	}
	r.apply(append(events, boxoffice.Event{At: f.now, Data: joined})...)
	require.Equal(t, 1, f.reports.lastOf(t, 1).Transactions)
	for admitted := r.Admit(f.now, crowd+1); len(admitted) > 0; admitted = r.Admit(f.now, crowd+1) {
		r.apply(admitted...)
	}

	// One that is refused, and the same without the place that stood in its way.
	f.exec("UPDATE queue_places SET held_until = $1 WHERE sequence = 7", f.now.Add(time.Hour))
	expire := func(from int) boxoffice.CommitResult {
		ended := waitingroom.Ended{Status: boxoffice.PlaceExpired}
		for sequence := from; sequence <= crowd; sequence++ {
			ended.Sequences = append(ended.Sequences, uint64(sequence))
		}
		return f.commit(boxoffice.Commit{
			Grain: boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: id}, Epoch: r.Epoch, Version: r.Version,
			Events: []boxoffice.Event{{At: f.now, Data: ended}},
		})
	}
	require.Equal(t, uint64(7), expire(1).Refusals[0].Place.Sequence)
	require.Equal(t, boxoffice.CommitResult{}, expire(8))
	require.Equal(t, 7, value[int](f, "SELECT count(*) FROM queue_places WHERE ended_at IS NULL"))
}

func TestAFullOrClosedJournalRefusesAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	s := f.seller(f.schedule(0))
	c, _ := s.decide()
	journal := persistence.NewJournal(f.db, persistence.JournalConfig{MaxQueued: -1}) // never any room
	results := make(chan boxoffice.CommitResult, 2)
	journal.Commit(c, func(r boxoffice.CommitResult) { results <- r })
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf((<-results).Err))
	journal.Close()
	journal.Commit(c, func(r boxoffice.CommitResult) { results <- r })
	err := (<-results).Err
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
	require.False(t, errors.Is(err, boxoffice.ErrFenced) || errors.Is(err, boxoffice.ErrUnknown))
}

func TestCloseWritesWhatWaits(t *testing.T) {
	t.Parallel()
	f := setup(t)
	journal := persistence.NewJournal(f.db, persistence.JournalConfig{})
	const commits = 200
	results := make(chan boxoffice.CommitResult, commits)
	for range commits {
		c, _ := f.seller(f.schedule(0)).decide()
		journal.Commit(c, func(r boxoffice.CommitResult) { results <- r })
	}
	journal.Close()
	close(results)
	answered := 0
	for result := range results {
		require.NoError(t, result.Err)
		answered++
	}
	require.Equal(t, commits, answered)
	require.Zero(t, journal.QueueLength())
}
