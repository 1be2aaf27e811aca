package persistence_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/persistence"
	"boxoffice/persistence/postgrestest"
)

func TestChargeAddsPoints(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(0)
	op := operation(user, "charge", "k")
	outcome, err := f.journal.Charge(f.ctx, op, user, 500, f.now)
	require.NoError(t, err)
	require.Equal(t, boxoffice.Outcome{At: f.now, Created: true, Entry: &boxoffice.LedgerEntry{
		ID: outcome.Entry.ID, Type: boxoffice.EntryCharge, Amount: 500, BalanceAfter: 500, CreatedAt: f.now,
	}}, outcome)
	require.Equal(t, uuid.Version(7), outcome.Entry.ID.Version())

	again, err := f.journal.Charge(f.ctx, op, user, 500, f.now.Add(time.Hour))
	require.NoError(t, err)
	outcome.Replayed = true
	require.Equal(t, outcome, again)
	op.Key.Digest[0]++
	_, err = f.journal.Charge(f.ctx, op, user, 600, f.now)
	require.Equal(t, boxoffice.CodeIdempotencyKeyReused, boxoffice.CodeOf(err))
	unkeyed := boxoffice.Operation{ID: newID()}
	_, err = f.journal.Charge(f.ctx, unkeyed, user, 1, f.now)
	require.NoError(t, err)
	balance, err := f.db.Balance(f.ctx, user)
	require.NoError(t, err)
	require.Equal(t, int64(501), balance)
	f.sound()
}

func TestChargeRefusals(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(0)
	for _, amount := range []int64{-1, 0, boxoffice.MaxCharge + 1} {
		outcome, err := f.journal.Charge(f.ctx, operation(user, "charge", "k"), user, amount, f.now)
		require.NoError(t, err)
		require.Equal(t, boxoffice.CodeInvalidRequest, outcome.Refusal.Code)
	}
	f.exec("UPDATE accounts SET balance = 1000000000 - 5")
	outcome, err := f.journal.Charge(f.ctx, operation(user, "charge", "k"), user, 6, f.now)
	require.NoError(t, err)
	require.Equal(t, boxoffice.CodeBalanceLimit, outcome.Refusal.Code)
	outcome, err = f.journal.Charge(f.ctx, operation(user, "charge", "k"), user, 5, f.now)
	require.NoError(t, err)
	require.Nil(t, outcome.Refusal, "a refusal leaves the key free")

	stranger := newID()
	_, err = f.journal.Charge(f.ctx, operation(stranger, "charge", "k"), stranger, 5, f.now)
	require.Equal(t, boxoffice.CodeUserNotFound, boxoffice.CodeOf(err))
	_, err = f.db.Balance(f.ctx, stranger)
	require.Equal(t, boxoffice.CodeUserNotFound, boxoffice.CodeOf(err))
}

func TestConcurrentChargesWithOneKeyAreOne(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(0)
	const calls = 20
	outcomes := make(chan boxoffice.Outcome, calls)
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			outcome, err := f.journal.Charge(f.ctx, operation(user, "charge", "k"), user, 500, f.now)
			if err != nil {
				t.Error(err)
			}
			outcomes <- outcome
		})
	}
	all.Wait()
	close(outcomes)
	first := 0
	ids := make(map[uuid.UUID]bool)
	for outcome := range outcomes {
		if !outcome.Replayed {
			first++
		}
		ids[outcome.Entry.ID] = true
	}
	require.Equal(t, 1, first)
	require.Len(t, ids, 1)
	require.Equal(t, int64(500), value[int64](f, "SELECT balance FROM accounts"))
	f.sound()
}

// Payments of the journal and charges of the same account take turns.
func TestPaymentsRaceWithCharges(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(10)
	const sales = 10
	var all sync.WaitGroup
	for range sales {
		id := f.schedule(10)
		admission := f.room(id).admit(user)[0]
		s := f.seller(id)
		held := hold(admission, 1)
		s.do(held)
		all.Go(func() {
			for {
				c, _ := s.decide(pay(held, "schedule"+newID().String()))
				result := f.commit(c)
				if result.Err == nil && len(result.Refusals) == 0 {
					return
				}
				if result.Err != nil && boxoffice.CodeOf(result.Err) != boxoffice.CodeUnavailable ||
					result.Err == nil && result.Refusals[0].Reason != boxoffice.RefusedPoints {
					t.Errorf("%v %+v", result.Err, result.Refusals)
					return
				}
			}
		})
		all.Go(func() {
			if _, err := f.journal.Charge(f.ctx, operation(user, "charge", newID().String()), user, 10, f.now); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, int64(10), value[int64](f, "SELECT balance FROM accounts"))
	f.sound()
}

func TestPointsHistory(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, other, id := f.user(1000), f.user(77), f.schedule(300)
	admission := f.room(id).admit(user)[0]
	s := f.seller(id)
	held := hold(admission, 1)
	paid := pay(held, "k")
	s.do(held, paid)
	s.do(cancel(paid, "k"))

	page, err := f.db.PointsHistory(f.ctx, user, boxoffice.PageRequest{Limit: 100})
	require.NoError(t, err)
	require.Empty(t, page.Next)
	expected := []boxoffice.LedgerEntry{
		{Type: boxoffice.EntryRefund, Amount: 300, BalanceAfter: 1000, PaymentID: paid.PaymentID},
		{Type: boxoffice.EntryPayment, Amount: -300, BalanceAfter: 700, PaymentID: paid.PaymentID},
		{Type: boxoffice.EntryCharge, Amount: 1000, BalanceAfter: 1000},
	}
	for i := range expected {
		require.NotEqual(t, uuid.Nil, page.Items[i].ID)
		expected[i].ID, expected[i].CreatedAt = page.Items[i].ID, f.now
	}
	require.Equal(t, expected, page.Items)
	require.Equal(t, expected, pages(t, 1, func(p boxoffice.PageRequest) (boxoffice.Page[boxoffice.LedgerEntry], error) {
		return f.db.PointsHistory(f.ctx, user, p)
	}))
	page, err = f.db.PointsHistory(f.ctx, other, boxoffice.PageRequest{Limit: 1})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Empty(t, page.Next)
	page, err = f.db.PointsHistory(f.ctx, newID(), boxoffice.PageRequest{Limit: 1})
	require.NoError(t, err)
	require.Empty(t, page.Items)
}

// pages reads a list page by page.
func pages[T any](
	t *testing.T, limit int, list func(boxoffice.PageRequest) (boxoffice.Page[T], error),
) (items []T) {
	t.Helper()
	request := boxoffice.PageRequest{Limit: limit}
	for {
		page, err := list(request)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Items), limit)
		items = append(items, page.Items...)
		if page.Next == "" {
			return items
		}
		require.Len(t, page.Items, limit)
		request.Cursor = page.Next
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := boxoffice.User{ID: newID(), Name: "Ada 👩‍💻", CreatedAt: f.now}
	require.NoError(t, f.journal.CreateUser(f.ctx, user))
	got, err := f.db.User(f.ctx, user.ID)
	require.NoError(t, err)
	require.Equal(t, user, got)
	_, err = f.db.User(f.ctx, newID())
	require.Equal(t, boxoffice.CodeUserNotFound, boxoffice.CodeOf(err))
	balance, err := f.db.Balance(f.ctx, user.ID)
	require.NoError(t, err)
	require.Zero(t, balance)
	for _, name := range []string{"", "a\x00b", "\xff", string(make([]rune, 101))} {
		err := f.journal.CreateUser(f.ctx, boxoffice.User{ID: newID(), Name: name, CreatedAt: f.now})
		require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err), "%q", name)
	}
}

// Text that Postgres cannot hold is the caller's mistake, wherever it comes in.
func TestTextThatCannotBeStored(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, text := range []string{"a\x00b", "\xff\xfe"} {
		_, _, err := f.db.StoredAnswer(f.ctx, boxoffice.IdempotencyKey{UserID: newID(), Operation: "POST /", Key: text})
		require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err), "%q", text)
		user := f.user(0)
		_, err = f.journal.Charge(f.ctx, operation(user, "charge", text), user, 5, f.now)
		require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err), "%q", text)
		_, err = f.db.CreateConcert(f.ctx, boxoffice.NewConcert{Title: text})
		require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err), "%q", text)
		_, err = f.db.Schedules(f.ctx, boxoffice.ScheduleFilter{From: text}, f.now, boxoffice.PageRequest{Limit: 1})
		require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err), "%q", text)
		_, err = f.db.UserReservations(f.ctx, user, boxoffice.ReservationStatus(text), f.now, boxoffice.PageRequest{Limit: 1})
		require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err), "%q", text)
	}
}

func TestOldKeysAreDeletedInBatches(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(0)
	f.exec(`INSERT INTO idempotency_keys
		SELECT $1, 'POST /', n::text, decode(repeat('00', 32), 'hex'), gen_random_uuid(), '{"v":1,"at":"2026-12-24T10:00:00Z"}', $2
		FROM generate_series(1, 1500) n`, user, f.now)
	deleted, err := f.db.DeleteOldKeys(f.ctx, f.now.Add(24*time.Hour))
	require.NoError(t, err)
	require.Zero(t, deleted, "kept for a day at least")
	for _, expected := range []int{1000, 500, 0} {
		deleted, err = f.db.DeleteOldKeys(f.ctx, f.now.Add(persistence.KeyRetention+time.Millisecond))
		require.NoError(t, err)
		require.Equal(t, expected, deleted)
	}
}

// A charge whose answer is lost may be there: with its key it is found, and not made
// twice.
func TestAChargeWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	direct := setupAt(t, url)
	p := postgrestest.NewProxy(t, url)
	f := setupAt(t, p.URL)
	user := direct.user(0)
	op := operation(user, "charge", "the lost one")
	p.LoseAnswerTo([]byte(op.Key.Key))
	_, err := f.journal.Charge(f.ctx, op, user, 500, f.now)
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
	require.ErrorIs(t, err, boxoffice.ErrUnknown)

	again, err := direct.journal.Charge(f.ctx, op, user, 500, f.now)
	require.NoError(t, err)
	require.True(t, again.Replayed)
	require.Equal(t, int64(500), again.Entry.BalanceAfter)
	direct.sound()
}

// The same charge again waits for the row that the lost one still locks.
func TestAChargeWaitsForTheOneThatWasLost(t *testing.T) {
	t.Parallel()
	f := setup(t)
	other := setupAt(t, f.url)
	user := f.user(0)
	op := operation(user, "charge", "k")
	// The first has written its key and has not committed: it waits for its account.
	release := f.lock("SELECT FROM accounts WHERE user_id = $1 FOR UPDATE", user)
	type charged struct {
		outcome boxoffice.Outcome
		err     error
	}
	results := make(chan charged, 2)
	for _, node := range []*fixture{f, other} {
		go func() {
			outcome, err := node.journal.Charge(f.ctx, op, user, 500, f.now)
			results <- charged{outcome, err}
		}()
	}
	f.waiting()
	release()
	replayed := 0
	for range 2 {
		r := <-results
		require.NoError(t, r.err)
		require.Equal(t, int64(500), r.outcome.Entry.BalanceAfter)
		if r.outcome.Replayed {
			replayed++
		}
	}
	require.Equal(t, 1, replayed)
	f.sound()
}

// Charges of one user in one group are folded in their order, beside a payment of the
// same account and those of others.
func TestChargesOfOneUserInOneGroup(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, id := f.user(100), f.schedule(100)
	admission := f.room(id).admit(user)[0]
	s := f.seller(id)
	held := hold(admission, 1)
	s.do(held)
	release := f.lockGrain(boxoffice.KindSchedule, id)
	snapshot, err := s.Snapshot()
	require.NoError(t, err)
	c, _ := s.decide()
	c.Snapshot = snapshot
	first := f.begin(c) // a group under way, so that what comes now makes up the next
	f.waiting()
	const charges = 50
	outcomes := make(chan boxoffice.Outcome, charges)
	var all sync.WaitGroup
	for i := range charges {
		all.Go(func() {
			outcome, err := f.journal.Charge(f.ctx, operation(user, "charge", strconv.Itoa(i)), user, 7, f.now)
			if err != nil {
				t.Error(err)
			}
			outcomes <- outcome
		})
	}
	release()
	require.NoError(t, (<-first).Err)
	all.Wait()
	close(outcomes)
	balances := make(map[int64]bool)
	for outcome := range outcomes {
		balances[outcome.Entry.BalanceAfter] = true
	}
	require.Len(t, balances, charges, "each has its own balance")
	for i := range charges {
		stored, found, err := f.db.StoredAnswer(f.ctx, operation(user, "charge", strconv.Itoa(i)).Key)
		require.NoError(t, err)
		require.True(t, found)
		require.True(t, balances[stored.Entry.BalanceAfter])
	}
	require.Equal(t, int64(100+7*charges), value[int64](f, "SELECT balance FROM accounts WHERE user_id = $1", user))
	f.sound()
}
