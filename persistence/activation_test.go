package persistence_test

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/persistence"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

func TestActivationRestoresASchedule(t *testing.T) {
	t.Parallel()
	f := setup(t)
	one, two, id := f.user(1000), f.user(1000), f.schedule(300)
	a := f.room(id).admit(one, two)
	s := f.seller(id)
	first, second := hold(a[0], 1), hold(a[1], 2)
	s.do(first)
	s.save()
	s.do(second, pay(second, "k"))

	fresh := f.seller(id)
	require.Equal(t, boxoffice.Activation{
		Epoch: s.Epoch + 1, Version: s.Version, SnapshotVersion: s.Version - 2,
	}, fresh.Activation)
	require.Equal(t, s.SeatMap(f.now), fresh.SeatMap(f.now))
	expected, err := s.Snapshot()
	require.NoError(t, err)
	got, err := fresh.Snapshot()
	require.NoError(t, err)
	require.Equal(t, string(expected), string(got))
	require.Equal(t, "test", value[string](f, "SELECT owner FROM grains WHERE kind = 'schedule' AND id = $1", id))
	f.sound()
}

// A place that ended while its token would still be good is refused by a new owner, also
// if the schedule never heard of it.
func TestActivationBarsPlacesThatHaveEnded(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user, id := f.user(0), f.schedule(0)
	r := f.room(id)
	admission := r.admit(user)[0]
	require.Nil(t, f.seller(id).CheckAdmission(admission, f.now))
	events, refusal := r.Decide(waitingroom.Leave{UserID: user, Sequence: admission.Sequence}, f.now)
	require.Nil(t, refusal)
	r.apply(events...)
	require.Equal(t, boxoffice.CodeQueueTokenExpired, f.seller(id).CheckAdmission(admission, f.now).Code)
}

// A payment while a waiting room is restored: the room owes the end of the buyer's place.
func TestAPaymentWhileAWaitingRoomIsRestored(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.schedule(300)
	r, s := f.room(id), f.seller(id)
	held := hold(r.admit(f.user(1000))[0], 1)
	s.do(held)
	r.Hear(boxoffice.ScheduleNews{After: 1, Version: s.Version})
	r.apply() // its snapshot says that it knows of the hold
	c, _ := s.decide(pay(held, "k"))
	_, data, err := boxoffice.EncodeEvent(c.Events[0])
	require.NoError(t, err)

	// The payment's transaction, as far as rooms look at it, before the rows can be read.
	tx, err := f.connect().Begin(f.ctx)
	require.NoError(t, err)
	_, err = tx.Exec(f.ctx, "LOCK TABLE queue_places IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	owes := make(chan bool, 1)
	go func() {
		_, room, news, err := f.journal.ActivateWaitingRoom(f.ctx, id, "test", waitingroom.Limits{AdmissionTTL: admissionTTL})
		owes <- err == nil && room.Hear(news) && room.Owes()
	}()
	f.activating()
	_, err = tx.Exec(f.ctx, `
		INSERT INTO events (kind, id, version, epoch, type, operation_id, data, at)
		VALUES ('schedule', $1, $2, $3, 'seat-confirmed', $4, $5, $6)`,
		id, s.Version+1, s.Epoch, c.Events[0].OperationID, data, f.now)
	require.NoError(t, err)
	_, err = tx.Exec(f.ctx, "UPDATE grains SET version = version + 1 WHERE kind = 'schedule'")
	require.NoError(t, err)
	_, err = tx.Exec(f.ctx, "UPDATE queue_places SET status = 'completed', held_until = NULL, ended_at = now()")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(f.ctx))
	require.True(t, <-owes)
}

func TestActivationReplaysEverythingOverABadSnapshot(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"bytes":    `UPDATE grains SET snapshot = replace(snapshot::text, '"v":1', '"v": 1')::json`,
		"version":  `UPDATE grains SET snapshot = '{"v":99}', snapshot_checksum = %CRC%`,
		"checksum": `UPDATE grains SET snapshot_checksum = 0`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			user, id := f.user(0), f.schedule(0)
			r := f.room(id)
			admission := r.admit(user)[0]
			s := f.seller(id)
			s.do(hold(admission, 1))
			s.save()
			s.do(seatmap.EndPlace{Operation: boxoffice.Operation{ID: newID()}, UserID: user, EndedPlace: boxoffice.EndedPlace{Sequence: admission.Sequence, EndsAt: admission.EndsAt}})
			f.exec(string(bytes.ReplaceAll([]byte(damage), []byte("%CRC%"), []byte("1504662158")))) // of {"v":99}

			var logged bytes.Buffer
			journal := persistence.NewJournal(f.db, persistence.JournalConfig{
				Logger: slog.New(slog.NewJSONHandler(&logged, nil)),
			})
			t.Cleanup(journal.Close)
			activation, schedule, _, err := journal.ActivateSchedule(f.ctx, id, "test")
			require.NoError(t, err)
			require.Equal(t, s.Version, activation.Version)
			require.Equal(t, s.SeatMap(f.now), schedule.SeatMap(f.now))
			require.Equal(t, 1, bytes.Count(logged.Bytes(), []byte("snapshot is not usable")))
			_, room, news, err := journal.ActivateWaitingRoom(f.ctx, id, "test", waitingroom.Limits{AdmissionTTL: admissionTTL})
			require.NoError(t, err)
			require.True(t, room.Hear(news))
			require.Equal(t, r.Status(f.now), room.Status(f.now))
			require.Equal(t, r.NextSequence(), room.NextSequence())
		})
	}
}

func TestActivationRefusesAHoleInTheEvents(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.schedule(0)
	f.exec("UPDATE grains SET version = 2 WHERE kind = 'schedule'")
	_, _, _, err := f.journal.ActivateSchedule(f.ctx, id, "test")
	require.ErrorContains(t, err, "the grain is at 2")
	require.Equal(t, boxoffice.CodeInternal, boxoffice.CodeOf(err))
}

func TestActivationOfNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	_, schedule, _, err := f.journal.ActivateSchedule(f.ctx, 4711, "test")
	require.ErrorIs(t, err, boxoffice.ErrNoGrain)
	require.Nil(t, schedule)
	_, room, _, err := f.journal.ActivateWaitingRoom(f.ctx, 4711, "test", waitingroom.Limits{})
	require.ErrorIs(t, err, boxoffice.ErrNoGrain)
	require.Nil(t, room)
}

func TestActivationRestoresAWaitingRoom(t *testing.T) {
	t.Parallel()
	f := setup(t)
	r := f.room(f.schedule(100))
	three := 3
	configured, refusal := r.Decide(boxoffice.Configure{Capacity: &three, AdmitPerSecond: &three}, f.now)
	require.Nil(t, refusal)
	r.apply(configured...)
	var users []uuid.UUID
	for range 6 {
		users = append(users, f.user(0))
		joined, refusal := r.Decide(waitingroom.Join{UserID: users[len(users)-1]}, f.now)
		require.Nil(t, refusal)
		r.apply(joined...)
	}
	r.apply(r.Admit(f.now, 2)...) // the first is not seen yet
	r.apply(boxoffice.Event{At: f.now, Data: waitingroom.Claimed{Sequences: []uint64{1}}})
	for _, leaving := range []uint64{2, 5} {
		left, refusal := r.Decide(waitingroom.Leave{UserID: users[leaving-1], Sequence: leaving}, f.now)
		require.Nil(t, refusal)
		r.apply(left...)
	}

	fresh := f.room(r.ScheduleID)
	require.Equal(t, r.Version, fresh.SnapshotVersion)
	require.Equal(t, r.Status(f.now), fresh.Status(f.now))
	require.Equal(t, []uint64{1, 3}, fresh.AdmittedSequences())
	for i, user := range users {
		expected, expectedErr := r.Place(user, uint64(i+1), f.now)
		got, err := fresh.Place(user, uint64(i+1), f.now)
		require.Equal(t, expectedErr, err)
		require.Equal(t, expected, got)
	}
	// Three were let in within this second, though one of them has left.
	require.Empty(t, fresh.Admit(f.now.Add(time.Second), 0))
	fresh.apply(fresh.Admit(f.now.Add(1001*time.Millisecond), 0)...)
	require.Equal(t, []uint64{1, 3, 4}, fresh.AdmittedSequences())
	f.sound()
}

func TestActivationTellsTheRoomOfTheSeats(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.schedule(0)
	var users []uuid.UUID
	for range boxoffice.SeatCount {
		users = append(users, f.user(0))
	}
	admissions := f.room(id).admit(users...)
	s := f.seller(id)
	last := hold(admissions[0], 1)
	s.do(last)
	require.Equal(t, boxoffice.SeatCount-1, f.room(id).Status(f.now).AvailableSeats)
	for i, a := range admissions[1:] {
		held := hold(a, i+2)
		s.do(held, pay(held, "k"))
	}
	require.Equal(t, boxoffice.QueueOpen, f.room(id).Status(f.now).State, "a held seat may come back")
	s.do(pay(last, "k"))
	require.Equal(t, boxoffice.QueueSoldOut, f.room(id).Status(f.now).State)
	f.sound()
}
