package persistence_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

func TestScheduleNews(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.schedule(0)
	a := f.room(id).admit(f.user(0), f.user(0), f.user(0), f.user(0))
	s := f.seller(id)
	news := func(after int64) boxoffice.ScheduleNews {
		t.Helper()
		news, err := f.db.ScheduleNews(f.ctx, id, after)
		require.NoError(t, err)
		return news
	}
	require.Equal(t, boxoffice.ScheduleNews{Version: 1, AvailableSeats: boxoffice.SeatCount}, news(0), "it was opened")

	first, second, third := hold(a[0], 1), hold(a[1], 2), hold(a[2], 3)
	s.do(first, second, third)
	known := s.Version
	release := seatmap.Release{Operation: boxoffice.Operation{ID: newID()}, ReservationID: second.ReservationID, UserID: second.UserID}
	s.do(release, pay(third, "k"))
	require.Equal(t, boxoffice.ScheduleNews{
		Version: s.Version, AvailableSeats: boxoffice.SeatCount - 2,
		Places: []boxoffice.PlaceNews{
			{Sequence: a[0].Sequence, HeldUntil: f.now.Add(holdTTL)},
			{Sequence: a[1].Sequence},
			{Sequence: a[2].Sequence, Completed: true},
		},
	}, news(0))
	require.Equal(t, boxoffice.ScheduleNews{
		After: known, Version: s.Version, AvailableSeats: boxoffice.SeatCount - 2,
		Places: []boxoffice.PlaceNews{{Sequence: a[1].Sequence}, {Sequence: a[2].Sequence, Completed: true}},
	}, news(known))
	require.Equal(t, boxoffice.ScheduleNews{
		After: s.Version, Version: s.Version, AvailableSeats: boxoffice.SeatCount - 2,
	}, news(s.Version))

	f.exec("UPDATE reservations SET created_at = now() - interval '2 hour', expires_at = now() - interval '1 hour' WHERE status = 'held'")
	require.Equal(t, boxoffice.SeatCount-1, news(0).AvailableSeats, "a hold that is over, though nobody wrote that down")
	_, err := f.db.ScheduleNews(f.ctx, 4711, 0)
	require.ErrorIs(t, err, boxoffice.ErrNoGrain)
}

func TestJoinsKeepTheirOperation(t *testing.T) {
	t.Parallel()
	f := setup(t)
	r := f.room(f.schedule(0))
	users, operations := []uuid.UUID{newID(), newID(), newID()}, []uuid.UUID{newID(), newID()}
	r.apply(
		boxoffice.Event{At: f.now, Data: waitingroom.Joined{First: 1, UserIDs: users[:2], OperationIDs: operations}},
		boxoffice.Event{At: f.now, Data: waitingroom.Joined{First: 3, UserIDs: users[2:]}},
	)
	r.apply(r.Admit(f.now, 1)...)
	for i, expected := range append(operations, uuid.Nil) {
		stored := value[*uuid.UUID](f, "SELECT operation_id FROM queue_places WHERE sequence = $1", i+1)
		if expected == uuid.Nil {
			require.Nil(t, stored, "an event of an older release")
			continue
		}
		require.Equal(t, expected, *stored)
	}
	require.Equal(t, r.Status(f.now), f.room(r.ScheduleID).Status(f.now))
	f.sound()
}

// The close of sales ends those who wait.
func TestAPlaceThatWaitsMayExpire(t *testing.T) {
	t.Parallel()
	f := setup(t)
	r := f.room(f.schedule(0))
	joined, refusal := r.Decide(waitingroom.Join{UserID: f.user(0)}, f.now)
	require.Nil(t, refusal)
	r.apply(joined...)
	expired := boxoffice.Commit{
		Grain: boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: r.ScheduleID}, Epoch: r.Epoch, Version: r.Version,
		Events: []boxoffice.Event{{At: f.now, Data: waitingroom.Ended{Sequences: []uint64{1}, Status: boxoffice.PlaceExpired}}},
	}
	require.Equal(t, boxoffice.CommitResult{}, f.commit(expired))
	require.Equal(t, []boxoffice.PlaceRow{{Sequence: 1, Status: boxoffice.PlaceExpired}}, f.places(r.ScheduleID, 1))
	expired.Version++
	require.Equal(t, boxoffice.RefusedPlaceHeld, f.commit(expired).Refusals[0].Reason, "it has ended")
}

func TestAClosedSaleWhosePlacesWaitIsDue(t *testing.T) {
	t.Parallel()
	f := setup(t)
	due := func(limit int) []boxoffice.Grain {
		t.Helper()
		grains, err := f.db.DueGrains(f.ctx, limit)
		require.NoError(t, err)
		return grains
	}
	closed, overdue, open := f.schedule(0), f.schedule(0), f.schedule(0)
	for _, id := range []int64{closed, overdue, open} {
		r := f.room(id)
		r.admit(f.user(0))
		joined, refusal := r.Decide(waitingroom.Join{UserID: f.user(0)}, f.now)
		require.Nil(t, refusal)
		r.apply(joined...)
	}
	require.Empty(t, due(10))
	f.exec(`UPDATE schedules SET sales_open_at = now() - interval '2 hour', sales_close_at = now() - interval '1 hour'
		WHERE id = $1`, closed)
	f.exec("UPDATE queue_places SET admitted_at = $2::timestamptz, ends_at = $2::timestamptz + interval '1 ms' WHERE schedule_id = $1 AND status = 'admitted'",
		overdue, f.now.Add(-time.Minute))
	gatekeeper := func(id int64) boxoffice.Grain { return boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: id} }
	require.Equal(t, []boxoffice.Grain{gatekeeper(closed), gatekeeper(overdue)}, due(10), "the longest overdue first")
	require.Equal(t, []boxoffice.Grain{gatekeeper(closed)}, due(1))
	f.exec("UPDATE queue_places SET status = 'expired', ended_at = now() WHERE schedule_id = $1", closed)
	require.Equal(t, []boxoffice.Grain{gatekeeper(overdue)}, due(10), "an old room where all have ended")
}
