package http

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

const (
	seatsTarget = "/api/v1/schedules/7/seats"
	holdTarget  = "/api/v1/schedules/7/reservations"
	placeTarget = "/api/v1/schedules/7/queue-tokens/me"
	joinTarget  = "/api/v1/schedules/7/queue-tokens"
)

func expired(detail string) *boxoffice.Error {
	return boxoffice.Errorf(boxoffice.CodeQueueTokenExpired, "%s", detail)
}

func TestGuardLooksWaitingPlacesUp(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var seen []uint64
	f.place = func(id int64, ref boxoffice.PlaceRef) (boxoffice.Place, error) {
		require.Equal(t, int64(knownSchedule), id)
		require.Equal(t, userID, ref.UserID)
		seen = append(seen, ref.Sequence)
		return admittedPlace(), nil // admitted since: its token is newer than the one that was sent
	}
	for _, call := range []struct{ method, target, body string }{{"GET", seatsTarget, ""}, {"POST", holdTarget, `{"seatNumber":1}`}} {
		a := f.do(call.method, call.target, call.body, f.as(userID), f.queue(waitingClaims()))
		a.refused(403, boxoffice.CodeNotAdmitted)
		require.Equal(t, `</api/v1/schedules/7/queue-tokens/me>; rel="status"`, a.Header().Get("Link"))
	}
	require.Equal(t, []uint64{5, 5}, seen)

	f.place = func(int64, boxoffice.PlaceRef) (boxoffice.Place, error) { return boxoffice.Place{}, expired("left") }
	f.do("GET", seatsTarget, "", f.as(userID), f.queue(waitingClaims())).refused(403, boxoffice.CodeQueueTokenExpired)
	f.place = func(int64, boxoffice.PlaceRef) (boxoffice.Place, error) {
		return boxoffice.Place{}, boxoffice.Unavailable(nil)
	}
	f.do("GET", seatsTarget, "", f.as(userID), f.queue(waitingClaims())).refused(503, boxoffice.CodeUnavailable)
}

func TestScheduleHasTheLastWordOnAdmissions(t *testing.T) {
	t.Parallel()
	f := setup(t)
	want := boxoffice.Admission{UserID: userID, Sequence: 5, EndsAt: start.Add(10 * time.Minute)}
	f.seatMap = func(_ int64, admission *boxoffice.Admission) (*boxoffice.SeatMap, error) {
		require.Equal(t, want, *admission)
		return nil, expired("over")
	}
	f.hold = func(_ int64, hold holding) (boxoffice.Outcome, error) {
		require.Equal(t, want, hold.Admission)
		return boxoffice.Outcome{Refusal: expired("over")}, nil
	}
	right := []option{f.as(userID), f.queue(admittedClaims())}
	f.do("GET", seatsTarget, "", right...).refused(403, boxoffice.CodeQueueTokenExpired)
	f.do("POST", holdTarget, `{"seatNumber":1}`, right...).refused(403, boxoffice.CodeQueueTokenExpired)
	// The guard comes before everything about the body and the key.
	f.hold = nil
	f.do("POST", holdTarget, `{"seatNumber":51}`, right...).refused(403, boxoffice.CodeQueueTokenExpired)
	f.do("POST", holdTarget, `{`, right...).refused(403, boxoffice.CodeQueueTokenExpired)
	f.do("POST", holdTarget, `x`, append(right, with("Content-Type", "text/plain"))...).refused(403, boxoffice.CodeQueueTokenExpired)
	f.do("POST", holdTarget, `{"seatNumber":1}`, append(right, key("\x7f"))...).refused(403, boxoffice.CodeQueueTokenExpired)
}

func TestAdminReadsSeatMapsWithoutQueueToken(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.seatMap = func(_ int64, admission *boxoffice.Admission) (*boxoffice.SeatMap, error) {
		require.Nil(t, admission)
		return seatMap(), nil
	}
	f.do("GET", seatsTarget, "", f.admin()).succeeded(200, seatMapText())
	f.do("GET", seatsTarget, "", f.admin(), with(queueTokenHeader, "x")).succeeded(200, seatMapText())
	f.do("POST", holdTarget, `{"seatNumber":1}`, f.admin(), f.queue(admittedClaims())).refused(403, boxoffice.CodeForbidden)
}

func TestSeatMapIsNotSentAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	allowSeats(f)
	for _, header := range []string{`"12"`, `W/"12"`, `"11", "12"`, `*`, `"x",W/"12" `} {
		a := f.do("GET", seatsTarget, "", f.admin(), with("If-None-Match", header))
		require.Equal(t, 304, a.Code, header)
		require.Empty(t, a.Body.String())
		require.Equal(t, `"12"`, a.Header().Get("ETag"))
		require.Empty(t, a.Header().Get("Content-Type"))
	}
	for _, header := range []string{`"11"`, `12`, `"1"`, `""`, `"12`} {
		f.do("GET", seatsTarget, "", f.admin(), with("If-None-Match", header)).succeeded(200, seatMapText())
	}
}

func TestPlaceOnTheWire(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.join = func(id int64, user uuid.UUID) (boxoffice.Place, bool, error) {
		require.Equal(t, int64(knownSchedule), id)
		require.Equal(t, userID, user)
		return waitingPlace(), true, nil
	}
	joined := f.do("POST", joinTarget, "", f.as(userID))
	waiting := decode[placeJSON](joined)
	require.Equal(t, 201, joined.Code)
	require.InDelta(t, 5000, waiting.PollAfterMS, 500)
	require.Equal(t, (waiting.PollAfterMS+999)/1000, decodeNumber(t, joined.Header().Get("Retry-After")))
	claims, ok := f.keys.verifyQueue(waiting.Token)
	require.True(t, ok)
	require.Equal(t, waitingClaims(), claims)
	want := placeJSON{
		Token: waiting.Token, ScheduleID: 7, UserID: userID, Status: "waiting", Position: 128, Ahead: 127, Waiting: 940,
		ETASeconds: &etaJSON{Min: 60, Max: 95}, PollAfterMS: waiting.PollAfterMS,
		JoinedAt: timestamp(start.Add(-time.Minute)), ExpiresAt: timestamp(start.AddDate(0, 1, 0)), ExpiresInSeconds: 30 * 24 * 3600,
	}
	require.Equal(t, want, waiting)
	require.Contains(t, joined.Body.String(), `"admittedAt":null`)

	// Polled with the same token: the same bytes. Admitted: a new one.
	f.place = func(int64, boxoffice.PlaceRef) (boxoffice.Place, error) { return waitingPlace(), nil }
	polled := f.do("GET", placeTarget, "", with(queueTokenHeader, waiting.Token), with("Authorization", "Bearer nonsense"))
	require.Equal(t, waiting.Token, decode[placeJSON](polled).Token)
	f.place = func(int64, boxoffice.PlaceRef) (boxoffice.Place, error) { return admittedPlace(), nil }
	polled = f.do("GET", placeTarget, "", with(queueTokenHeader, waiting.Token))
	admitted := decode[placeJSON](polled)
	require.Empty(t, polled.Header().Get("Retry-After"))
	require.NotEqual(t, waiting.Token, admitted.Token)
	claims, ok = f.keys.verifyQueue(admitted.Token)
	require.True(t, ok)
	require.Equal(t, admittedClaims(), claims)
	require.Equal(t, 0, admitted.Position)
	require.Equal(t, 0, admitted.Ahead)
	require.Nil(t, admitted.ETASeconds)
	require.Equal(t, 600, admitted.ExpiresInSeconds)
	require.Equal(t, start, time.Time(*admitted.AdmittedAt))

	// Never more than there is left, however long the answer was under way.
	f.now = func() time.Time { return start.Add(time.Millisecond) }
	polled = f.do("GET", placeTarget, "", with(queueTokenHeader, admitted.Token))
	require.Equal(t, 599, decode[placeJSON](polled).ExpiresInSeconds)

	// A hold lengthens the place, not its token.
	f.place = func(int64, boxoffice.PlaceRef) (boxoffice.Place, error) {
		place := admittedPlace()
		place.ExpiresAt = place.ExpiresAt.Add(time.Minute)
		return place, nil
	}
	polled = f.do("GET", placeTarget, "", with(queueTokenHeader, admitted.Token))
	require.Equal(t, admitted.Token, decode[placeJSON](polled).Token)
}

func TestPlaceThatHasEnded(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.place = func(int64, boxoffice.PlaceRef) (boxoffice.Place, error) { return boxoffice.Place{}, expired("gone") }
	f.do("GET", placeTarget, "", f.queue(admittedClaims())).refused(410, boxoffice.CodeQueueTokenExpired)
	for _, err := range []error{nil, error(expired("gone"))} {
		f.leave = func(id int64, ref boxoffice.PlaceRef) error {
			require.Equal(t, int64(knownSchedule), id)
			require.Equal(t, userID, ref.UserID)
			require.Equal(t, uint64(5), ref.Sequence)
			require.Equal(t, admittedClaims().admission().EndsAt, ref.EndsAt)
			return err
		}
		a := f.do("DELETE", placeTarget, "", f.queue(admittedClaims()))
		require.Equal(t, 204, a.Code)
		require.Empty(t, a.Body.String())
	}
	f.leave = func(_ int64, ref boxoffice.PlaceRef) error {
		require.Zero(t, ref.EndsAt)
		return boxoffice.Unavailable(nil)
	}
	f.do("DELETE", placeTarget, "", f.queue(waitingClaims())).refused(503, boxoffice.CodeUnavailable)
}

func TestJoinIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	full := boxoffice.Errorf(boxoffice.CodeQueueFull, "the line is full")
	full.RetryAfter = 1500 * time.Millisecond
	for _, test := range []struct {
		err    *boxoffice.Error
		status int
		after  string
	}{
		{boxoffice.Errorf(boxoffice.CodeSoldOut, "sold out"), 409, ""},
		{boxoffice.Errorf(boxoffice.CodeSalesClosed, "closed"), 409, ""},
		{full, 503, "2"},
		{boxoffice.Errorf(boxoffice.CodeQueueFull, "the line is full"), 503, "1"},
	} {
		f.join = func(int64, uuid.UUID) (boxoffice.Place, bool, error) { return boxoffice.Place{}, false, test.err }
		a := f.do("POST", joinTarget, "", f.as(userID))
		a.refused(test.status, test.err.Code)
		require.Equal(t, test.after, a.Header().Get("Retry-After"))
	}
}
