package boxoffice_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"
)

// What is stored is read for ever: every file in testdata/stored was written by some
// version of this package and has to mean the same. Files are added, never edited. With
// BOXOFFICE_WRITE_STORED=1 the test adds what is missing.

// storedEvents are the events of testdata/stored, by file name.
func storedEvents() map[string]boxoffice.Event {
	caused := func(data boxoffice.EventData) boxoffice.Event {
		return boxoffice.Event{At: at(1234 * time.Millisecond), OperationID: operation(1).ID, Data: data}
	}
	return map[string]boxoffice.Event{
		"event-schedule-opened": caused(boxoffice.ScheduleOpened{Terms: terms()}),
		"event-seat-held": caused(boxoffice.SeatWasHeld{
			ReservationID: reservation(1), UserID: user(1), Sequence: 18, SeatNumber: 12, Price: 1012,
			ExpiresAt: at(301234 * time.Millisecond),
		}),
		"event-seat-released": caused(boxoffice.SeatWasReleased{ReservationID: reservation(1), SeatNumber: 12, Sequence: 18}),
		"event-hold-expired":  caused(boxoffice.HoldExpired{ReservationID: reservation(1), SeatNumber: 12, Sequence: 18}),
		"event-seat-confirmed": caused(boxoffice.SeatWasConfirmed{
			PaymentID: payment(1), ReservationID: reservation(1), UserID: user(1), Sequence: 18, SeatNumber: 12, Amount: 1012,
		}),
		"event-sale-cancelled": caused(boxoffice.SaleWasCancelled{
			PaymentID: payment(1), ReservationID: reservation(1), UserID: user(1), SeatNumber: 12, Amount: 1012,
		}),
		"event-queue-opened":     caused(queueOpened(100, 5).Data),
		"event-queue-configured": caused(boxoffice.QueueConfigured{Capacity: 10, AdmitPerSecond: 2, Paused: true}),
		"event-places-joined":    caused(joined(18, 1, 2)),
		"event-places-admitted": caused(boxoffice.PlacesAdmitted{
			Sequences: []uint64{18, 19}, EndsAt: at(10 * time.Minute), Claimed: true,
		}),
		"event-places-claimed": caused(boxoffice.PlacesClaimed{Sequences: []uint64{18}}),
		"event-places-ended":   caused(boxoffice.PlacesEnded{Sequences: []uint64{18}, Status: boxoffice.PlaceExpired}),
	}
}

func storedOutcomes() map[string]boxoffice.Outcome {
	taken := boxoffice.Errorf(boxoffice.CodeSeatTaken, "seat 12 is taken")
	taken.AvailableSeats = []int{2, 50}
	nothingLeft := boxoffice.Errorf(boxoffice.CodeSeatTaken, "seat 12 is taken")
	nothingLeft.AvailableSeats = []int{}
	poor := boxoffice.Errorf(boxoffice.CodeInsufficientPoints, "the account has 5 points")
	poor.Balance, poor.Amount = 5, 1012
	full := boxoffice.Errorf(boxoffice.CodeQueueFull, "the waiting room is full")
	full.RetryAfter = 5 * time.Second
	wrong := boxoffice.Invalid("body.seatNumber", "must be from 1 to 50")

	reserved := boxoffice.Reservation{
		ID: reservation(1), ConcertID: 3, ScheduleID: 7, SeatNumber: 12, UserID: user(1),
		Status: boxoffice.ReservationHeld, Price: 1012, CreatedAt: at(0), ExpiresAt: at(holdTTL),
	}
	paid := boxoffice.Payment{
		ID: payment(1), ReservationID: reservation(1), ConcertID: 3, ScheduleID: 7, SeatNumber: 12, UserID: user(1),
		Amount: 1012, Balance: 88, Status: boxoffice.PaymentCompleted,
		StartsAt: terms().StartsAt, EndsAt: terms().EndsAt, PaidAt: at(0),
	}
	cancelled := paid
	cancelled.Status, cancelled.Balance = boxoffice.PaymentCancelled, 1100
	cancelled.RefundedAmount, cancelled.CancelledAt = 1012, at(time.Minute)

	now := at(1234 * time.Millisecond)
	return map[string]boxoffice.Outcome{
		"outcome-held":      {At: now, Created: true, Reservation: &reserved},
		"outcome-paid":      {At: now, Created: true, Payment: &paid},
		"outcome-cancelled": {At: now, Created: true, Payment: &cancelled},
		"outcome-charged": {At: now, Created: true, Entry: &boxoffice.LedgerEntry{
			ID: id('e', 1), Type: boxoffice.EntryCharge, Amount: 500, BalanceAfter: 1100, CreatedAt: at(0),
		}},
		"outcome-released":     {At: now},
		"outcome-taken":        {At: now, Refusal: taken},
		"outcome-nothing-left": {At: now, Refusal: nothingLeft},
		"outcome-poor":         {At: now, Refusal: poor},
		"outcome-full":         {At: now, Refusal: full},
		"outcome-invalid":      {At: now, Refusal: wrong},
	}
}

// busySchedule has a held, a sold, a released and a refunded seat.
func busySchedule(t tester) *boxoffice.Schedule {
	t.Helper()
	s := newSchedule(t)
	for n, seat := range []int{12, 1, 50, 30} {
		_, outcome := act(s, hold(n+1, seat), at(time.Second))
		requireSucceeded(t, outcome)
	}
	for _, cmd := range []boxoffice.ScheduleCommand{pay(2), release(3), pay(4), cancel(4)} {
		_, outcome := act(s, cmd, at(time.Minute))
		requireSucceeded(t, outcome)
	}
	return s
}

// golden gives the content of a file of testdata/stored; missing ones get want.
func golden(t *testing.T, name, want string) string {
	t.Helper()
	path := filepath.Join("testdata", "stored", name+".json")
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) && os.Getenv("BOXOFFICE_WRITE_STORED") != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(want+"\n"), 0o644))
		return want
	}
	require.NoError(t, err)
	return strings.TrimSuffix(string(data), "\n")
}

func TestStoredEvents(t *testing.T) {
	t.Parallel()
	for name, e := range storedEvents() {
		eventType, data, err := boxoffice.EncodeEvent(e)
		require.NoError(t, err)
		require.Equal(t, name, "event-"+eventType)
		require.Equal(t, golden(t, name, string(data)), string(data))
		decoded, err := boxoffice.DecodeEvent(eventType, e.At, e.OperationID, data)
		require.NoError(t, err)
		require.Equal(t, e, decoded)
	}
}

func TestStoredOutcomes(t *testing.T) {
	t.Parallel()
	for name, o := range storedOutcomes() {
		o.Replayed = true
		data, err := boxoffice.EncodeOutcome(o)
		require.NoError(t, err)
		require.Equal(t, golden(t, name, string(data)), string(data))
		decoded, err := boxoffice.DecodeOutcome(data)
		require.NoError(t, err)
		o.Replayed = false
		if o.Refusal != nil {
			// The cause is for logs.
			require.Equal(t, o.Refusal.Error(), decoded.Refusal.Error())
		}
		require.Equal(t, o, decoded)
	}
}

// An outcome whose balance is put in later is stored in the same bytes.
func TestUnsettledOutcomes(t *testing.T) {
	t.Parallel()
	for _, o := range storedOutcomes() {
		before, after, err := boxoffice.EncodeUnsettled(o)
		if o.Payment == nil {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		whole, err := boxoffice.EncodeOutcome(o)
		require.NoError(t, err)
		require.Equal(t, string(whole), string(before)+strconv.FormatInt(o.Payment.Balance, 10)+string(after))
	}
}

// What is appended by hand is what package json makes of it.
func TestSalesAreStoredAsPackageJSONWould(t *testing.T) {
	t.Parallel()
	ids := rapid.Custom(func(t *rapid.T) (id uuid.UUID) {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), len(id), len(id)).Draw(t, "id"))
		return id
	})
	times := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(-62_135_596_800_000, 253_402_300_799_999).Draw(t, "ms")).UTC()
	})
	rapid.Check(t, func(t *rapid.T) {
		amount, sequence := rapid.Int64().Draw(t, "amount"), rapid.Uint64().Draw(t, "sequence")
		p := boxoffice.Payment{
			ID: ids.Draw(t, "payment"), ReservationID: ids.Draw(t, "reservation"), UserID: ids.Draw(t, "user"),
			ConcertID: rapid.Int64().Draw(t, "concert"), ScheduleID: rapid.Int64().Draw(t, "schedule"),
			SeatNumber: rapid.Int().Draw(t, "seat"), Amount: amount, Balance: rapid.Int64().Draw(t, "balance"),
			Status:   boxoffice.PaymentCompleted,
			StartsAt: times.Draw(t, "starts"), EndsAt: times.Draw(t, "ends"), PaidAt: times.Draw(t, "paid"),
		}
		for _, data := range []boxoffice.EventData{
			boxoffice.SeatWasHeld{ReservationID: p.ReservationID, UserID: p.UserID, Sequence: sequence, SeatNumber: p.SeatNumber, Price: amount, ExpiresAt: p.EndsAt},
			boxoffice.SeatWasConfirmed{PaymentID: p.ID, ReservationID: p.ReservationID, UserID: p.UserID, Sequence: sequence, SeatNumber: p.SeatNumber, Amount: amount},
		} {
			_, stored, err := boxoffice.EncodeEvent(boxoffice.Event{Data: data})
			require.NoError(t, err)
			want, err := json.Marshal(data)
			require.NoError(t, err)
			require.Equal(t, `{"v":1,`+string(want[1:]), string(stored))
		}
		if rapid.Bool().Draw(t, "cancelled") {
			p.Status, p.RefundedAmount, p.CancelledAt = boxoffice.PaymentCancelled, amount, times.Draw(t, "cancelled at")
		}
		o := boxoffice.Outcome{At: times.Draw(t, "at"), Created: rapid.Bool().Draw(t, "created"), Payment: &p}
		before, after, err := boxoffice.EncodeUnsettled(o)
		require.NoError(t, err)
		want, err := boxoffice.EncodeOutcome(o)
		require.NoError(t, err)
		require.Equal(t, string(want), string(before)+strconv.FormatInt(p.Balance, 10)+string(after))
	})
}

func TestStoredSnapshots(t *testing.T) {
	t.Parallel()
	s := busySchedule(t)
	stored := golden(t, "snapshot-schedule", snapshotOf(t, s))
	require.Equal(t, stored, snapshotOf(t, s))
	restored, err := boxoffice.RestoreSchedule([]byte(stored), nil)
	require.NoError(t, err)
	require.Equal(t, stored, snapshotOf(t, restored))
	require.Equal(t, s.SeatMap(at(time.Minute)), restored.SeatMap(at(time.Minute)))

	r := newRoom(100, 5)
	join(t, r, 1, 20, at(0))
	tell(t, r, boxoffice.Configure{Paused: new(true)}, at(0))
	stored = golden(t, "snapshot-waiting-room", snapshotOf(t, r))
	require.Equal(t, stored, snapshotOf(t, r))
	room, err := restoreRoom(limits(), []byte(stored), nil, nil, nil)
	require.NoError(t, err)
	require.Equal(t, stored, snapshotOf(t, room))
	require.Equal(t, uint64(21), room.NextSequence())
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
		_, err := boxoffice.DecodeEvent(tt.eventType, at(0), uuid.Nil, []byte(tt.data))
		require.Error(t, err, "%s %s", tt.eventType, tt.data)
	}
	for _, data := range []string{
		``, `{}`, `{"v":2}`, `{"v":1,"refusal":{}}`, `{"v":1,"refusal":{"code":"queue-full","retryAfterMs":-1}}`,
	} {
		_, err := boxoffice.DecodeOutcome([]byte(data))
		require.Error(t, err, data)
	}
	_, _, err := boxoffice.EncodeEvent(boxoffice.Event{})
	require.Error(t, err)
}
