package persistence_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/migrations"
	"boxoffice/persistence/localpostgres"
	"boxoffice/persistence/postgrestest"
)

// backAfter is how soon a node serves again whose database lost its power and is back,
// or was replaced, at the same address.
const backAfter = 5 * time.Second

// within wants work to succeed in the end, trying it again while it is unavailable.
func within(t *testing.T, what string, began time.Time, work func() error) {
	t.Helper()
	for {
		err := work()
		if err == nil {
			return
		}
		require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err), "%s: %v", what, err)
		require.Less(t, time.Since(began), backAfter, "%s: %v", what, err)
	}
}

func TestConnectionsThatNeverAnswerAgain(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	direct := setupAt(t, url)
	p := postgrestest.NewProxy(t, url)
	f := setupAt(t, p.URL)
	user, id := direct.user(0), direct.schedule(0)
	admission := direct.room(id).admit(user)[0]
	s := f.seller(id)
	require.NoError(t, f.db.Warm(f.ctx))
	require.NoError(t, f.journal.Ready(f.ctx))
	charge := func(key string) error {
		_, err := f.journal.Charge(f.ctx, operation(user, "charge", key), user, 1, f.now)
		return err
	}
	require.NoError(t, charge("before"))

	began := time.Now()
	p.FallSilent()
	c, _ := s.decide(hold(admission, 1))
	committed := f.begin(c)
	unready := make(chan bool, 1)
	go func() {
		err := f.journal.Ready(f.ctx)
		for ; err == nil && time.Since(began) < backAfter; err = f.journal.Ready(f.ctx) {
			runtime.Gosched()
		}
		unready <- err != nil
	}()
	within(t, "read", began, func() error { _, err := f.db.Balance(f.ctx, user); return err })
	within(t, "charge", began, func() error { return charge("after") })
	require.True(t, <-unready, "it was not ready meanwhile")
	<-committed // unknown, or unavailable
	within(t, "activation", began, func() error { _, _, _, err := f.journal.ActivateSchedule(f.ctx, id, "test"); return err })
	within(t, "readiness", time.Now(), func() error { return f.journal.Ready(f.ctx) })
	require.Zero(t, p.Cancels(), "nothing is ever cancelled")
	direct.sound()
}

// With synchronous replication a commit that no standby has is not shown, whatever became
// of who waited for it: the journal does not cancel it.
func TestACommitThatIsNotReplicatedIsNotShown(t *testing.T) {
	t.Parallel()
	server, err := localpostgres.Start(t.Context(), localpostgres.Config{
		DataDir: t.TempDir(),
		Settings: map[string]string{
			"wal_level": "replica", "max_wal_senders": "2", "shared_buffers": "16MB", "min_wal_size": "32MB",
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.StopImmediate(context.Background())) })
	require.NoError(t, migrations.Up(t.Context(), server.URL))
	f := setupAt(t, server.URL)
	user := f.user(0)
	op := operation(user, "charge", "k")
	standby := func(name string) {
		f.exec("ALTER SYSTEM SET synchronous_standby_names = '" + name + "'")
		f.exec("SELECT pg_reload_conf()")
		require.Eventually(t, func() bool {
			return value[string](f, "SELECT current_setting('synchronous_standby_names')") == name
		}, 10*time.Second, 10*time.Millisecond)
	}
	standby("nobody")
	for range 2 { // it is not there, nor can it be made again
		_, err = f.journal.Charge(f.ctx, op, user, 500, f.now)
		require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err), "%v", err)
		_, found, err := f.db.StoredAnswer(f.ctx, op.Key)
		require.NoError(t, err)
		require.False(t, found)
		balance, err := f.db.Balance(f.ctx, user)
		require.NoError(t, err)
		require.Zero(t, balance)
	}
	standby("")
	require.Eventually(t, func() bool {
		outcome, err := f.journal.Charge(f.ctx, op, user, 500, f.now)
		return err == nil && outcome.Replayed
	}, 10*time.Second, 10*time.Millisecond)
	f.sound()
}

// Whatever Postgres says to those whom it does not let in: nothing is known to have
// happened, and the same can be sent again.
func TestADatabaseThatLetsNobodyIn(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, id := f.user(100), f.schedule(100)
	admission := f.room(id).admit(user)[0]
	s := f.seller(id)
	name := pgx.Identifier{databaseOf(t, f.url)}.Sanitize()
	admin, err := pgx.ParseConfig(f.url)
	require.NoError(t, err)
	admin.Database = "postgres"
	conn, err := pgx.ConnectConfig(f.ctx, admin)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(f.ctx, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	require.NoError(t, err)
	_, err = conn.Exec(f.ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", databaseOf(t, f.url))
	require.NoError(t, err)

	c, _ := s.decide(hold(admission, 1))
	require.Eventually(t, func() bool { // what was connected breaks first
		return boxoffice.CodeOf(f.commit(c).Err) == boxoffice.CodeUnavailable
	}, 10*time.Second, time.Millisecond)
	for what, try := range map[string]func() error{
		"charge": func() error {
			_, err := f.journal.Charge(f.ctx, operation(user, "charge", "k"), user, 1, f.now)
			return err
		},
		"registration": func() error {
			return f.journal.CreateUser(f.ctx, boxoffice.User{ID: newID(), Name: "Ada", CreatedAt: f.now})
		},
		"list":       func() error { _, err := f.db.Concerts(f.ctx, boxoffice.PageRequest{Limit: 1}); return err },
		"look":       func() error { _, err := f.db.Balance(f.ctx, user); return err },
		"activation": func() error { _, _, _, err := f.journal.ActivateSchedule(f.ctx, id, "test"); return err },
		"news":       func() error { _, err := f.db.ScheduleNews(f.ctx, id, 0); return err },
		"readiness":  func() error { return f.journal.Ready(f.ctx) },
	} {
		err := try()
		require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err), "%s: %v", what, err)
	}
	_, err = conn.Exec(f.ctx, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
	require.NoError(t, err)
	require.Equal(t, boxoffice.CommitResult{}, f.commit(c), "the state was still good")
	within(t, "readiness", time.Now(), func() error { return f.journal.Ready(f.ctx) })
	f.sound()
}
