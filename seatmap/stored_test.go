package seatmap_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/seatmap"
)

// storedEvents are the events of testdata/stored, by file name.
func storedEvents() map[string]boxoffice.Event {
	caused := func(data boxoffice.EventData) boxoffice.Event {
		return boxoffice.Event{At: at(1234 * time.Millisecond), OperationID: operation(1).ID, Data: data}
	}
	return map[string]boxoffice.Event{
		"event-schedule-opened": caused(seatmap.Opened{Terms: terms()}),
		"event-seat-held": caused(seatmap.Held{
			ReservationID: reservation(1), UserID: user(1), Sequence: 18, SeatNumber: 12, Price: 1012,
			ExpiresAt: at(301234 * time.Millisecond),
		}),
		"event-seat-released": caused(seatmap.Released{ReservationID: reservation(1), SeatNumber: 12, Sequence: 18}),
		"event-hold-expired":  caused(seatmap.Expired{ReservationID: reservation(1), SeatNumber: 12, Sequence: 18}),
		"event-seat-confirmed": caused(seatmap.Confirmed{
			PaymentID: payment(1), ReservationID: reservation(1), UserID: user(1), Sequence: 18, SeatNumber: 12, Amount: 1012,
		}),
		"event-sale-cancelled": caused(seatmap.Cancelled{
			PaymentID: payment(1), ReservationID: reservation(1), UserID: user(1), SeatNumber: 12, Amount: 1012,
		}),
		"event-place-ended": caused(seatmap.PlaceEnded{Sequence: 18, EndsAt: at(10 * time.Minute)}),
	}
}

// busySchedule has a held, a sold, a released and a refunded seat.
func busySchedule(t fixture.T) *seatmap.Seats {
	t.Helper()
	s := newSchedule(t)
	for n, seat := range []int{12, 1, 50, 30} {
		_, outcome := act(s, hold(n+1, seat), at(time.Second))
		requireSucceeded(t, outcome)
	}
	for _, cmd := range []seatmap.Command{pay(2), release(3), pay(4), cancel(4)} {
		_, outcome := act(s, cmd, at(time.Minute))
		requireSucceeded(t, outcome)
	}
	return s
}

func TestStoredEvents(t *testing.T) {
	t.Parallel()
	for name, e := range storedEvents() {
		eventType, data, err := boxoffice.EncodeEvent(e)
		require.NoError(t, err)
		require.Equal(t, name, "event-"+eventType)
		require.Equal(t, fixture.Golden(t, name, string(data)), string(data))
		decoded, err := seatmap.DecodeEvent(eventType, data)
		require.NoError(t, err)
		require.Equal(t, e.Data, decoded)
	}
}

func TestStoredSnapshots(t *testing.T) {
	t.Parallel()
	s := busySchedule(t)
	stored := fixture.Golden(t, "snapshot-seats", fixture.Snapshot(t, s))
	require.Equal(t, stored, fixture.Snapshot(t, s))
	restored, err := seatmap.Restore([]byte(stored), nil)
	require.NoError(t, err)
	require.Equal(t, stored, fixture.Snapshot(t, restored))
	// As releases before 0.2 wrote it.
	older, err := seatmap.Restore([]byte(fixture.Golden(t, "snapshot-schedule", "")), nil)
	require.NoError(t, err)
	for _, read := range []*seatmap.Seats{restored, older} {
		require.Equal(t, s.SeatMap(at(time.Minute)), read.SeatMap(at(time.Minute)))
		require.Equal(t, s.News(9, at(time.Minute)), read.News(9, at(time.Minute)))
	}
}

func TestDecodingRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ eventType, data string }{
		{"seat-held", ``},
		{"seat-held", `null`},
		{"seat-held", `[]`},
		{"seat-held", `{}`},
		{"seat-held", `{"v":2}`},
		{"seat-held", `{"v":1}{"v":1}`},
		{"seat-held", `{"v":1,"seatNumber":"twelve"}`},
		{"seat-haunted", `{"v":1}`},
		{"", `{"v":1}`},
	} {
		_, err := seatmap.DecodeEvent(tt.eventType, []byte(tt.data))
		require.Error(t, err, "%s %s", tt.eventType, tt.data)
	}
}
