package waitingroom_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/waitingroom"
)

func FuzzDecodeEvent(f *testing.F) { fixture.FuzzEvents(f, storedEvents(), waitingroom.DecodeEvent) }

// FuzzRestore restores a snapshot, one event after it and places that are
// read from bytes, then works with what came of it.
func FuzzRestore(f *testing.F) {
	r := newRoom(3, 2)
	join(f, r, 1, 100, at(0))
	f.Add([]byte(fixture.Snapshot(f, r)), "", []byte(nil), []byte(nil))
	f.Add([]byte(fixture.Snapshot(f, r)), "places-joined", []byte(`{"v":1,"first":101,"userIds":[]}`),
		[]byte("\x00\x01\x00\x00\x00\x05\x01\x3c\x00\x5a\x07\x00\x00\x00"))
	for _, e := range storedEvents() {
		eventType, data, err := boxoffice.EncodeEvent(e)
		require.NoError(f, err)
		f.Add([]byte(fixture.Snapshot(f, r)), eventType, data, []byte("\x00\x01\x00\x00\x00\x00\x00"))
	}
	f.Fuzz(func(t *testing.T, snapshot []byte, eventType string, data, rows []byte) {
		var events []boxoffice.Event
		if d, err := waitingroom.DecodeEvent(eventType, data); err == nil {
			events = append(events, boxoffice.Event{At: at(time.Minute), OperationID: uuid.Nil, Data: d})
		}
		places, admissions := placesFrom(rows)
		r, err := restoreRoom(limits(), snapshot, events, places, admissions)
		if err != nil {
			return
		}
		stored := fixture.Snapshot(t, r)
		restored, err := restoreRoom(limits(), []byte(stored), nil, places, admissions)
		require.NoError(t, err)
		require.Equal(t, stored, fixture.Snapshot(t, restored))

		now := at(time.Minute)
		status := r.Status(now)
		require.Equal(t, len(r.AdmittedSequences()), status.Admitted)
		shown := observe(t, r, places, now)
		r.Begin()
		applyAll(r, r.Due(now))
		require.Empty(t, r.Due(now))
		next := r.NextSequence()
		if events, refusal := r.Decide(waitingroom.Join{UserID: user(1)}, now); refusal == nil && next < 1<<63 {
			applyAll(r, events)
		}
		applyAll(r, r.Admit(now, next))
		r.Rollback()
		require.Equal(t, shown, observe(t, r, places, now))
		for _, place := range places {
			if shown, refusal := r.Place(place.UserID, place.Sequence, now); refusal == nil {
				require.Equal(t, place.Sequence, shown.Sequence)
			}
			r.NextWake(now)
			_, _ = r.Decide(waitingroom.Leave{UserID: place.UserID, Sequence: place.Sequence}, now)
		}
	})
}

// placesFrom reads seven bytes as a place: how far its sequence is from the last, its
// user, whether it is admitted, and when it joined, was admitted and is held until.
func placesFrom(rows []byte) (places []waitingroom.PlaceRecord, admissions []time.Time) {
	var last uint64
	seconds := func(b byte) time.Time { return at(time.Duration(b) * time.Second) }
	for ; len(rows) >= 7; rows = rows[7:] {
		last += uint64(binary.BigEndian.Uint16(rows))
		place := waitingroom.PlaceRecord{
			Sequence: last, UserID: user(int(rows[2])), Status: boxoffice.PlaceWaiting, JoinedAt: seconds(rows[4]),
		}
		if rows[3] != 0 {
			place.Status, place.Claimed = boxoffice.PlaceAdmitted, rows[3] > 127
			place.AdmittedAt = seconds(rows[5])
			place.EndsAt = place.AdmittedAt.Add(10 * time.Minute)
			if rows[6] != 0 {
				place.HeldUntil = seconds(rows[6])
			}
			admissions = append(admissions, place.AdmittedAt.Add(-time.Second))
		}
		places = append(places, place)
	}
	return places, admissions
}
