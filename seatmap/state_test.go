package seatmap_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// A command that is delivered twice has its effect once, and a hold is answered alike.
func TestOperationsAreAnsweredAgain(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	commands := []seatmap.Command{
		hold(1, 12), pay(1), cancel(1), hold(2, 12), release(2), hold(3, 12),
		seatmap.EndPlace{Operation: operation(9), UserID: user(3), EndedPlace: boxoffice.EndedPlace{Sequence: 3, EndsAt: at(20 * time.Minute)}},
	}
	for _, cmd := range commands {
		events, outcome := act(s, cmd, at(time.Second))
		require.NotEmpty(t, events)
		restored, err := seatmap.Restore([]byte(fixture.Snapshot(t, s)), nil)
		require.NoError(t, err)
		for _, again := range []*seatmap.Seats{s, s.Clone(), restored} {
			events, answer := again.Decide(cmd, at(time.Minute))
			require.Empty(t, events)
			if _, ok := cmd.(seatmap.Hold); ok {
				require.Equal(t, outcome, answer)
			}
		}
	}
}

func TestCloneIsIndependent(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))
	before := fixture.Snapshot(t, s)
	a, b := s.Clone(), s.Clone()

	act(a, pay(1), at(0))
	act(b, release(1), at(0))

	require.Equal(t, before, fixture.Snapshot(t, s))
	require.Equal(t, boxoffice.SeatSold, a.SeatMap(at(0)).Statuses[11])
	require.Equal(t, boxoffice.SeatAvailable, b.SeatMap(at(0)).Statuses[11])
	admission := hold(1, 12).Admission
	require.Nil(t, s.CheckAdmission(admission, at(0)), "a payment that was only tried uses up nothing")
	require.NotNil(t, a.CheckAdmission(admission, at(0)))
}

// Clones that go on separately never write into each other's memory, however much of it
// they share.
func TestClonesDoNotShareWhatGrows(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	for n := 1; n <= 7; n++ { // lengths with and without room to grow in place
		a, b := s.Clone(), s.Clone()
		act(a, hold(n, n), at(0))
		act(a, pay(n), at(0))
		want := fixture.Snapshot(t, a)
		for other := 20; other < 24; other++ {
			act(b, hold(other, other), at(0))
			act(b, pay(other), at(0))
		}
		act(s, hold(30+n, 30+n), at(0))
		act(s, pay(30+n), at(0))
		require.Equal(t, want, fixture.Snapshot(t, a))
	}
}

// A place that a payment used up stays so, over a refund and a snapshot.
func TestUsedUpPlaceSurvivesSnapshot(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))
	act(s, pay(1), at(0))
	act(s, cancel(1), at(0))
	restored, err := seatmap.Restore([]byte(fixture.Snapshot(t, s)), nil)
	require.NoError(t, err)
	require.NotNil(t, restored.CheckAdmission(hold(1, 12).Admission, at(0)))
}

func TestApplyRefusesContradictions(t *testing.T) {
	t.Parallel()
	held := seatmap.Held{
		ReservationID: reservation(5), UserID: user(5), Sequence: 5, SeatNumber: 5, ExpiresAt: at(holdTTL),
	}
	change := func(change func(*seatmap.Held)) boxoffice.EventData {
		d := held
		change(&d)
		return d
	}
	tests := map[string]boxoffice.EventData{
		"opened twice":         seatmap.Opened{Terms: terms()},
		"of a waiting room":    waitingroom.Configured{},
		"none":                 nil,
		"no such seat":         change(func(d *seatmap.Held) { d.SeatNumber = 51 }),
		"taken seat":           change(func(d *seatmap.Held) { d.SeatNumber = 12 }),
		"second seat":          change(func(d *seatmap.Held) { d.UserID = user(1) }),
		"released what is not": seatmap.Released{ReservationID: reservation(5), SeatNumber: 5},
		"released other seat":  seatmap.Released{ReservationID: reservation(1), SeatNumber: 5},
		"expired early":        seatmap.Expired{ReservationID: reservation(1), SeatNumber: 12},
		"confirmed what is not": seatmap.Confirmed{
			PaymentID: payment(5), ReservationID: reservation(5), SeatNumber: 5,
		},
		"confirmed without payment": seatmap.Confirmed{ReservationID: reservation(1), SeatNumber: 12},
		"cancelled a hold":          seatmap.Cancelled{ReservationID: reservation(1), SeatNumber: 12},
		"cancelled with other payment": seatmap.Cancelled{
			PaymentID: payment(1), ReservationID: reservation(1), SeatNumber: 12,
		},
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSchedule(t)
			act(s, hold(1, 12), at(0))
			require.Panics(t, func() { s.Apply(boxoffice.Event{At: at(time.Second), Data: data}) })
			_, err := seatmap.Restore([]byte(fixture.Snapshot(t, s)), []boxoffice.Event{{At: at(time.Second), Data: data}})
			require.Error(t, err)
		})
	}
	require.Panics(t, func() { new(seatmap.Seats).Apply(boxoffice.Event{At: at(0), Data: held}) })
}

func TestRestoreScheduleRefuses(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	good := fixture.Snapshot(t, s)
	for name, snapshot := range map[string]string{
		"nothing":     "",
		"no JSON":     "{",
		"no version":  "{}",
		"new version": `{"v":2}`,
		"more behind": good + "{}",
	} {
		_, err := seatmap.Restore([]byte(snapshot), nil)
		require.Error(t, err, name)
	}
	_, err := seatmap.Restore(nil, nil)
	require.Error(t, err)
	_, err = new(seatmap.Seats).Snapshot()
	require.Error(t, err)
}
