package persistence_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/persistence"
	"boxoffice/persistence/postgrestest"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// Settings of the tests' waiting rooms.
const (
	capacity     = 100
	admissionTTL = 10 * time.Minute
	holdTTL      = 5 * time.Minute
)

// fixture is a database of its own with a journal.
type fixture struct {
	t       *testing.T
	ctx     context.Context
	url     string
	db      *persistence.Database
	journal *persistence.Journal
	people  *persistence.Journal // writes users and their points; not in the reports
	now     time.Time            // of the commands; moves only when a test moves it
	reports *reports
}

// reports collects what the journal reports of its groups.
type reports struct {
	mu  sync.Mutex
	all []persistence.GroupReport
}

func (r *reports) add(report persistence.GroupReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, report)
}

// last returns the report of the newest group.
func (r *reports) last() persistence.GroupReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[len(r.all)-1]
}

// lastOf returns the report of the newest group once so many commits in all are reported: a
// commit is answered before its group is.
func (r *reports) lastOf(t *testing.T, commits int) persistence.GroupReport {
	t.Helper()
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		reported := 0
		for _, report := range r.all {
			reported += report.Commits
		}
		return reported == commits
	}, 10*time.Second, time.Millisecond)
	return r.last()
}

func setup(t *testing.T) *fixture {
	t.Helper()
	return setupAt(t, postgrestest.Database(t))
}

func setupAt(t *testing.T, url string) *fixture {
	t.Helper()
	f := &fixture{
		t: t, ctx: t.Context(), url: url, now: time.Now().UTC().Truncate(time.Millisecond), reports: new(reports),
	}
	f.db = open(t, url)
	f.journal = persistence.NewJournal(f.db, persistence.JournalConfig{Observe: f.reports.add, Now: time.Now})
	t.Cleanup(f.journal.Close)
	f.people = persistence.NewJournal(f.db, persistence.JournalConfig{})
	t.Cleanup(f.people.Close)
	return f
}

func open(t *testing.T, url string) *persistence.Database {
	t.Helper()
	db, err := persistence.Open(t.Context(), url, persistence.Config{QueueCapacity: capacity})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

// sound wants the database to violate nothing.
func (f *fixture) sound() {
	f.t.Helper()
	violations, err := f.db.Check(f.ctx)
	require.NoError(f.t, err)
	require.Empty(f.t, violations)
}

// exec runs SQL on a connection of its own.
func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	_, err := f.connect().Exec(f.ctx, sql, args...)
	require.NoError(f.t, err)
}

// value reads one value.
func value[T any](f *fixture, sql string, args ...any) T {
	f.t.Helper()
	var v T
	require.NoError(f.t, f.connect().QueryRow(f.ctx, sql, args...).Scan(&v))
	return v
}

func (f *fixture) connect() *pgx.Conn {
	f.t.Helper()
	conn, err := pgx.Connect(f.ctx, f.url)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// user registers somebody with points.
func (f *fixture) user(points int64) uuid.UUID {
	f.t.Helper()
	user := boxoffice.User{ID: newID(), Name: "Ada", CreatedAt: f.now}
	require.NoError(f.t, f.people.CreateUser(f.ctx, user))
	if points > 0 {
		outcome, err := f.people.Charge(f.ctx, operation(user.ID, "charge", "initial"), user.ID, points, f.now)
		require.NoError(f.t, err)
		require.Nil(f.t, outcome.Refusal)
	}
	return user.ID
}

// schedule puts a new concert on sale: every seat costs price.
func (f *fixture) schedule(price int64) int64 {
	f.t.Helper()
	concert, err := f.db.CreateConcert(f.ctx, boxoffice.NewConcert{Title: "Concert", Price: price})
	require.NoError(f.t, err)
	starts := f.now.AddDate(0, 0, 30)
	info, err := f.db.CreateSchedule(f.ctx, boxoffice.NewSchedule{
		ConcertID: concert.ID, StartsAt: starts, EndsAt: starts.Add(2 * time.Hour), TimeZone: "Asia/Seoul",
	}, f.now)
	require.NoError(f.t, err)
	return info.Terms.ScheduleID
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// operation is an operation with an idempotency key; its digest is that of the name.
func operation(userID uuid.UUID, name, key string) boxoffice.Operation {
	k := boxoffice.IdempotencyKey{UserID: userID, Operation: "POST /" + strings.ToLower(name), Key: key}
	copy(k.Digest[:], name)
	return boxoffice.Operation{ID: uuid.NewSHA1(userID, []byte(name+key)), Key: k}
}

// commit commits and waits for the result.
func (f *fixture) commit(c boxoffice.Commit) boxoffice.CommitResult {
	f.t.Helper()
	return <-f.begin(c)
}

// begin commits and does not wait.
func (f *fixture) begin(c boxoffice.Commit) <-chan boxoffice.CommitResult {
	results := make(chan boxoffice.CommitResult, 1)
	f.journal.Commit(c, func(result boxoffice.CommitResult) { results <- result })
	return results
}

// room is an activation of a gatekeeper.
type room struct {
	f *fixture
	boxoffice.Activation
	*waitingroom.Room
}

func (f *fixture) room(scheduleID int64) *room {
	f.t.Helper()
	activation, waiting, news, err := f.journal.ActivateWaitingRoom(f.ctx, scheduleID, "test", waitingroom.Limits{
		AdmissionTTL: admissionTTL, ClaimTTL: time.Minute, MaxWaiting: 1_000_000,
	})
	require.NoError(f.t, err)
	require.True(f.t, waiting.Hear(news))
	return &room{f, activation, waiting}
}

// apply commits events and applies them, with a snapshot, as a gatekeeper does.
func (r *room) apply(events ...boxoffice.Event) {
	r.f.t.Helper()
	for _, e := range events {
		r.Apply(e)
	}
	snapshot, err := r.Snapshot()
	require.NoError(r.f.t, err)
	result := r.f.commit(boxoffice.Commit{
		Grain: boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: r.ScheduleID},
		Epoch: r.Epoch, Version: r.Version, Events: events, Snapshot: snapshot,
	})
	require.NoError(r.f.t, result.Err)
	require.Empty(r.f.t, result.Refusals)
	r.Version += int64(len(events))
}

// admit has users join and be admitted, and returns what their tokens say.
func (r *room) admit(users ...uuid.UUID) []boxoffice.Admission {
	r.f.t.Helper()
	var events []boxoffice.Event
	first := r.NextSequence()
	for _, user := range users {
		joined, refusal := r.Decide(waitingroom.Join{UserID: user}, r.f.now)
		require.Nil(r.f.t, refusal)
		r.apply(joined...)
	}
	events = r.Admit(r.f.now, first)
	r.apply(events...)
	var admissions []boxoffice.Admission
	for i, user := range users {
		admissions = append(admissions, boxoffice.Admission{
			UserID: user, Sequence: first + uint64(i), EndsAt: r.f.now.Add(admissionTTL),
		})
	}
	return admissions
}

// places reads what the rows of places say.
func (f *fixture) places(scheduleID int64, sequences ...uint64) []boxoffice.PlaceRow {
	f.t.Helper()
	rows, err := f.connect().Query(f.ctx, `
		SELECT sequence, status, coalesce(held_until, '0001-01-01Z') AS held_until FROM queue_places
		WHERE schedule_id = $1 AND sequence = ANY ($2)
		ORDER BY sequence`, scheduleID, sequences)
	require.NoError(f.t, err)
	places, err := pgx.CollectRows(rows, pgx.RowToStructByName[boxoffice.PlaceRow])
	require.NoError(f.t, err)
	for i := range places {
		places[i].HeldUntil = places[i].HeldUntil.UTC()
	}
	return places
}

// seller is an activation of a schedule.
type seller struct {
	f  *fixture
	id int64
	boxoffice.Activation
	*seatmap.Seats
}

func (f *fixture) seller(scheduleID int64) *seller {
	f.t.Helper()
	activation, schedule, ended, err := f.journal.ActivateSchedule(f.ctx, scheduleID, "test")
	require.NoError(f.t, err)
	for _, e := range schedule.NotePlaces(ended, f.now) {
		schedule.Apply(e)
	}
	return &seller{f, scheduleID, activation, schedule}
}

// decide returns the commit of commands, decided one after the other, and their outcomes.
func (s *seller) decide(commands ...seatmap.Command) (boxoffice.Commit, []boxoffice.Outcome) {
	s.f.t.Helper()
	draft := s.Clone()
	c := boxoffice.Commit{
		Grain: boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: s.id}, Epoch: s.Epoch, Version: s.Version,
	}
	var outcomes []boxoffice.Outcome
	for _, command := range commands {
		events, outcome := draft.Decide(command, s.f.now)
		for _, e := range events {
			draft.Apply(e)
		}
		c.Events = append(c.Events, events...)
		outcomes = append(outcomes, outcome)
		if op := command.Op(); !op.Key.IsZero() && outcome.Storable() {
			c.Answers = append(c.Answers, boxoffice.Answer{OperationID: op.ID, Key: op.Key, Outcome: outcome})
		}
	}
	return c, outcomes
}

// applied takes the events of a durable commit in.
func (s *seller) applied(c boxoffice.Commit) {
	for _, e := range c.Events {
		s.Apply(e)
	}
	s.Version += int64(len(c.Events))
}

// do decides commands and commits them; all must succeed.
func (s *seller) do(commands ...seatmap.Command) ([]boxoffice.Outcome, boxoffice.CommitResult) {
	s.f.t.Helper()
	c, outcomes := s.decide(commands...)
	for _, outcome := range outcomes {
		require.Nil(s.f.t, outcome.Refusal)
	}
	result := s.f.commit(c)
	require.NoError(s.f.t, result.Err)
	require.Empty(s.f.t, result.Refusals)
	s.applied(c)
	return outcomes, result
}

// save writes a snapshot.
func (s *seller) save() {
	s.f.t.Helper()
	snapshot, err := s.Snapshot()
	require.NoError(s.f.t, err)
	c, _ := s.decide()
	c.Snapshot = snapshot
	require.NoError(s.f.t, s.f.commit(c).Err)
}

// Commands.

func hold(a boxoffice.Admission, seat int) seatmap.Hold {
	return seatmap.Hold{
		Operation: boxoffice.Operation{ID: newID()}, Admission: a, ReservationID: newID(), SeatNumber: seat, TTL: holdTTL,
	}
}

func pay(held seatmap.Hold, key string) seatmap.Pay {
	return seatmap.Pay{
		Operation: operation(held.UserID, "pay", key), PaymentID: newID(), ReservationID: held.ReservationID,
		UserID: held.UserID,
	}
}

func cancel(paid seatmap.Pay, key string) seatmap.Cancel {
	return seatmap.Cancel{
		Operation: operation(paid.UserID, "cancel", key), PaymentID: paid.PaymentID, UserID: paid.UserID,
	}
}
