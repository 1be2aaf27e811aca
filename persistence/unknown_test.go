package persistence_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/persistence"
	"boxoffice/persistence/postgrestest"
	"boxoffice/seatmap"
)

// waiting waits until the journal's session waits for a lock, and returns its process.
func (f *fixture) waiting() int {
	f.t.Helper()
	conn := f.connect()
	var pid int
	require.Eventually(f.t, func() bool {
		err := conn.QueryRow(f.ctx, `
			SELECT pid FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'boxoffice journal' AND wait_event_type = 'Lock'`).
			Scan(&pid)
		return err == nil
	}, 10*time.Second, time.Millisecond)
	return pid
}

// activating waits until an activation waits for a lock.
func (f *fixture) activating() {
	f.t.Helper()
	conn := f.connect()
	require.Eventually(f.t, func() bool {
		var waits bool
		err := conn.QueryRow(f.ctx, `
			SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
				AND application_name = 'boxoffice' AND wait_event_type = 'Lock')`).Scan(&waits)
		return err == nil && waits
	}, 10*time.Second, time.Millisecond)
}

// lock locks rows in a transaction of its own until the returned function is called.
func (f *fixture) lock(sql string, args ...any) (release func()) {
	f.t.Helper()
	tx, err := f.connect().Begin(f.ctx)
	require.NoError(f.t, err)
	_, err = tx.Exec(f.ctx, sql, args...)
	require.NoError(f.t, err)
	return func() { require.NoError(f.t, tx.Rollback(f.ctx)) }
}

func (f *fixture) lockGrain(kind boxoffice.Kind, id int64) (release func()) {
	f.t.Helper()
	return f.lock("SELECT FROM grains WHERE kind = $1 AND id = $2 FOR UPDATE", kind, id)
}

func TestATerminatedCommitIsUnknown(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.schedule(0)
	admission := f.room(id).admit(f.user(0))[0]
	s := f.seller(id)
	release := f.lockGrain(boxoffice.KindSchedule, id)
	held := hold(admission, 1)
	c, _ := s.decide(held)
	result := f.begin(c)
	f.exec("SELECT pg_terminate_backend($1)", f.waiting())
	require.ErrorIs(t, (<-result).Err, boxoffice.ErrUnknown)
	release()

	// The new epoch tells.
	fresh := f.seller(id)
	require.Equal(t, s.Version, fresh.Version)
	require.Equal(t, boxoffice.SeatCount, fresh.Available(f.now))
	fresh.do(held)
	f.sound()
}

func TestACommitWhoseAnswerIsLostIsUnknownAndDurable(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	direct := setupAt(t, url)
	p := postgrestest.NewProxy(t, url)
	f := setupAt(t, p.URL)
	user, id := direct.user(1000), direct.schedule(300)
	admission := direct.room(id).admit(user)[0]
	s := f.seller(id)
	held := hold(admission, 1)
	s.do(held)

	// A payment is one round trip: nobody knows, and it was written.
	paid := pay(held, "k")
	c, _ := s.decide(paid)
	p.LoseAnswerTo([]byte(paid.PaymentID.String()))
	require.ErrorIs(t, f.commit(c).Err, boxoffice.ErrUnknown)
	require.Equal(t, s.Version+1, direct.seller(id).Version)
	require.ErrorIs(t, direct.commit(c).Err, boxoffice.ErrFenced)
	stored, found, err := direct.db.StoredAnswer(f.ctx, paid.Key)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, int64(700), stored.Payment.Balance)

	// What is refused at first is written in two. The first looks: nothing can have been
	// written.
	s = f.seller(id)
	c, _ = s.decide()
	c.Answers = []boxoffice.Answer{{OperationID: newID(), Key: paid.Key, Outcome: boxoffice.Outcome{At: f.now}}}
	p.LoseAnswerTo([]byte("lock grains"))
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(f.commit(c).Err))
	// A cancellation is one: nobody knows, and this time too it was written.
	c, _ = s.decide(cancel(paid, "c"))
	p.LoseAnswerTo([]byte(paid.PaymentID.String()))
	require.ErrorIs(t, f.commit(c).Err, boxoffice.ErrUnknown)
	require.Equal(t, s.Version+1, direct.seller(id).Version)
	require.ErrorIs(t, direct.commit(c).Err, boxoffice.ErrFenced)

	// A commit without points is one round trip.
	admission = direct.room(id).admit(direct.user(0))[0]
	s = f.seller(id)
	held = hold(admission, 2)
	c, _ = s.decide(held)
	p.LoseAnswerTo([]byte(held.ReservationID.String()))
	require.ErrorIs(t, f.commit(c).Err, boxoffice.ErrUnknown)
	require.Equal(t, s.Version+1, direct.seller(id).Version)
	direct.sound()
}

func TestWithoutPostgresNothingIsWritten(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	direct := setupAt(t, url)
	p := postgrestest.NewProxy(t, url)
	f := setupAt(t, p.URL)
	id := direct.schedule(0)
	admission := direct.room(id).admit(direct.user(0))[0]
	s := f.seller(id)
	p.Close()

	c, _ := s.decide(hold(admission, 1))
	// The connections that are open break in the middle of the first commits; after that
	// there is none to be had.
	require.Eventually(t, func() bool {
		err := f.commit(c).Err
		require.Error(t, err)
		return boxoffice.CodeOf(err) == boxoffice.CodeUnavailable
	}, 10*time.Second, time.Millisecond)
	_, err := f.db.Schedule(f.ctx, id)
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
	_, err = f.db.Balance(f.ctx, newID())
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
	_, _, _, err = f.journal.ActivateSchedule(f.ctx, id, "test")
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(f.db.Ready(f.ctx)))
	require.NoError(t, direct.db.Ready(f.ctx))
	require.Equal(t, s.Version, direct.seller(id).Version)
}

// A flusher that finds no connection fails what it took, and leaves the rest to the one that
// has a connection.
func TestOneFlusherWithoutAConnectionFailsItsOwnGroupOnly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	require.NoError(t, f.db.Warm(f.ctx))
	slow, other := f.seller(f.schedule(0)), f.seller(f.schedule(0))
	save := func(s *seller) boxoffice.Commit {
		c, _ := s.decide()
		snapshot, err := s.Snapshot()
		require.NoError(t, err)
		c.Snapshot = snapshot
		return c
	}
	f.exec(`CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NEW; END'`)
	f.exec(fmt.Sprintf(`CREATE TRIGGER be_slow BEFORE UPDATE ON grains FOR EACH ROW
		WHEN (NEW.kind = 'schedule' AND NEW.id = %d) EXECUTE FUNCTION be_slow()`, slow.id))
	database := databaseOf(t, f.url)
	config, err := pgx.ParseConfig(f.url)
	require.NoError(t, err)
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(f.ctx, config)
	require.NoError(t, err)
	defer func() { _ = conn.Close(f.ctx) }()

	first := f.begin(save(slow))
	require.Eventually(t, func() bool {
		var sleeps bool
		err := conn.QueryRow(f.ctx, `
			SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep')`, database).Scan(&sleeps)
		return err == nil && sleeps
	}, 10*time.Second, time.Millisecond)
	_, err = conn.Exec(f.ctx, "ALTER DATABASE "+pgx.Identifier{database}.Sanitize()+" ALLOW_CONNECTIONS false")
	require.NoError(t, err)
	_, err = conn.Exec(f.ctx, `
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = $1 AND application_name = 'boxoffice journal' AND state = 'idle'`, database)
	require.NoError(t, err)
	commit := save(other)
	failed, waits := f.begin(commit), f.begin(commit) // not in one group
	require.Error(t, (<-failed).Err)
	require.NoError(t, (<-first).Err)
	require.NoError(t, (<-waits).Err)
}

func TestDroppedIdleConnectionsAreNotNoticed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	s := f.seller(f.schedule(0))
	c, _ := s.decide()
	require.NoError(t, f.commit(c).Err)
	conn := f.connect()
	sessions := func(condition string) (count int) {
		err := conn.QueryRow(f.ctx, `
			SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name LIKE 'boxoffice%' AND `+condition).Scan(&count)
		require.NoError(t, err)
		return count
	}
	require.Eventually(t, func() bool {
		return sessions("state_change > clock_timestamp() - interval '200 ms'") == 0
	}, 10*time.Second, 10*time.Millisecond, "idle for long enough to be tried out before use")
	f.exec(`
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name LIKE 'boxoffice%'`)
	require.Eventually(t, func() bool { return sessions("true") == 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, f.commit(c).Err)
	require.NoError(t, f.db.Ready(f.ctx))
}

// A new activation waits for a commit that is under way, and sees it.
func TestAnActivationWaitsForTheCommitInFlight(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, id := f.user(1000), f.schedule(300)
	admission := f.room(id).admit(user)[0]
	s := f.seller(id)
	held := hold(admission, 1)
	s.do(held)
	// The payment holds the grain's lock and waits for the account's.
	release := f.lock("SELECT FROM accounts WHERE user_id = $1 FOR UPDATE", user)
	c, _ := s.decide(pay(held, "k"))
	result := f.begin(c)
	f.waiting()

	type activated struct {
		activation boxoffice.Activation
		err        error
	}
	activations := make(chan activated, 1)
	go func() {
		activation, _, _, err := f.journal.ActivateSchedule(f.ctx, id, "new owner")
		activations <- activated{activation, err}
	}()
	f.activating()
	release()
	require.NoError(t, (<-result).Err)
	got := <-activations
	require.NoError(t, got.err)
	require.Equal(t, s.Version+1, got.activation.Version)
	require.Equal(t, s.Epoch+1, got.activation.Epoch)
	f.sound()
}

// A session that was stopped in the middle of a transaction holds up its own grain only.
func TestALockedRowHoldsUpItsOwnCommitOnly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(1000)
	type sale struct {
		*seller
		commit boxoffice.Commit
	}
	sell := func() sale {
		id := f.schedule(300)
		admission := f.room(id).admit(user)[0]
		s := f.seller(id)
		c, _ := s.decide(hold(admission, 1))
		return sale{s, c}
	}
	fine, lockedGrain, lockedPlace := sell(), sell(), sell()
	releaseGrain := f.lockGrain(boxoffice.KindSchedule, lockedGrain.id)
	releasePlace := f.lock("SELECT FROM queue_places WHERE schedule_id = $1 FOR UPDATE", lockedPlace.id)
	results := f.group(fine.commit, lockedGrain.commit, lockedPlace.commit)
	require.NoError(t, results[0].Err)
	for _, result := range results[1:] {
		require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(result.Err))
	}
	require.Equal(t, 2, f.reports.last().Unavailable)
	releaseGrain()
	releasePlace()
	for _, result := range f.group(lockedGrain.commit, lockedPlace.commit) {
		require.Equal(t, boxoffice.CommitResult{}, result, "the state was still good")
	}

	// The same for an account.
	paying := sell()
	require.NoError(t, f.commit(paying.commit).Err)
	paying.applied(paying.commit)
	held := paying.commit.Events[0].Data.(seatmap.Held)
	c, _ := paying.decide(seatmap.Pay{
		Operation: boxoffice.Operation{ID: newID()}, PaymentID: newID(), ReservationID: held.ReservationID, UserID: user,
	})
	release := f.lock("SELECT FROM accounts WHERE user_id = $1 FOR UPDATE", user)
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(f.group(c)[0].Err))
	release()
	require.NoError(t, f.group(c)[0].Err)
	f.sound()
}

// Two journals, as of two nodes of which one has been replaced without knowing, on the
// same database: what either acknowledges is what there is.
func TestTwoJournalsOnOneDatabase(t *testing.T) {
	t.Parallel()
	f := setup(t)
	other := setupAt(t, f.url)
	const schedules, seats = 20, 10
	users := make([]uuid.UUID, seats)
	for i := range users {
		users[i] = f.user(int64(schedules) * 100)
	}
	type owned struct {
		id         int64
		admissions []boxoffice.Admission
	}
	var all []owned
	for range schedules {
		id := f.schedule(100)
		all = append(all, owned{id, f.room(id).admit(users...)})
	}
	paid := make(chan int, 2*schedules)
	for _, node := range []*fixture{f, other} {
		for _, o := range all {
			go func() { paid <- sellAll(node, o.id, o.admissions) }()
		}
	}
	total := 0
	for range 2 * schedules {
		total += <-paid
	}
	require.Equal(t, total, value[int](f, "SELECT count(*) FROM payments"))
	require.Equal(t, schedules*seats, total)
	f.sound()
}

// sellAll sells a seat to each of the admitted, activating again whenever another node
// was faster, and counts what it sold.
func sellAll(f *fixture, id int64, admissions []boxoffice.Admission) (sold int) {
	for {
		activation, schedule, _, err := f.journal.ActivateSchedule(f.ctx, id, "node")
		if err != nil {
			continue // a lock that took too long
		}
		s := &seller{f, id, activation, schedule}
		open := 0
		for i, a := range admissions {
			held := hold(a, i+1)
			c, outcomes := s.decide(held, pay(held, fmt.Sprintf("schedule %d", id)))
			if outcomes[0].Refusal != nil {
				continue // sold
			}
			open++
			result := f.commit(c)
			if result.Err != nil {
				break
			}
			if len(result.Refusals) > 0 {
				f.t.Errorf("refused: %+v", result.Refusals)
				return sold
			}
			s.applied(c)
			sold++
		}
		if open == 0 {
			return sold
		}
	}
}

func TestCommitsOfTwoGroupsThatWantTheSameKey(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(0)
	key := operation(user, "hold", "k").Key
	// Somebody else is about to take the key.
	tx, err := f.connect().BeginTx(f.ctx, pgx.TxOptions{})
	require.NoError(t, err)
	_, err = tx.Exec(f.ctx, `
		INSERT INTO idempotency_keys VALUES ($1, $2, $3, $4, $5, '{"v":1,"at":"2026-12-24T10:00:00Z"}', now())`,
		user, key.Operation, key.Key, key.Digest[:], newID())
	require.NoError(t, err)
	s := f.seller(f.schedule(0))
	c, _ := s.decide()
	c.Answers = []boxoffice.Answer{{OperationID: newID(), Key: key, Outcome: boxoffice.Outcome{At: f.now}}}
	result := f.begin(c)
	f.waiting()
	require.NoError(t, tx.Commit(f.ctx))
	require.Equal(t, boxoffice.RefusedKey, (<-result).Refusals[0].Reason)
}

func TestADeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	one, two := f.seller(f.schedule(0)), f.seller(f.schedule(0))
	save := func(s *seller) boxoffice.Commit {
		c, _ := s.decide()
		c.Snapshot = []byte(`{}`)
		return c
	}
	// A transaction that locks in the other order, and is not the one that gives way.
	conn := f.connect()
	_, err := conn.Exec(f.ctx, "SET deadlock_timeout = '10s'")
	require.NoError(t, err)
	tx, err := conn.Begin(f.ctx)
	require.NoError(t, err)
	_, err = tx.Exec(f.ctx, "SELECT FROM grains WHERE kind = 'schedule' AND id = $1 FOR UPDATE", two.id)
	require.NoError(t, err)
	f.exec("ALTER DATABASE " + pgx.Identifier{databaseOf(t, f.url)}.Sanitize() + " SET deadlock_timeout = '50ms'")
	results := make(chan []boxoffice.CommitResult, 1)
	journal := persistence.NewJournal(open(t, f.url), persistence.JournalConfig{})
	t.Cleanup(journal.Close)
	go func() {
		r, _ := journal.WriteGroup(f.ctx, save(one), save(two))
		results <- r
	}()
	f.waiting()
	locked := make(chan error, 1)
	go func() {
		_, err := tx.Exec(f.ctx, "SELECT FROM grains WHERE kind = 'schedule' AND id = $1 FOR UPDATE", one.id)
		locked <- err
	}()
	require.NoError(t, <-locked)
	require.NoError(t, tx.Rollback(f.ctx))
	for _, result := range <-results {
		require.NoError(t, result.Err)
	}
}

func databaseOf(t *testing.T, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	return config.Database
}
