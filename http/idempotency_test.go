package http

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

func decode[T any](a answer) T {
	a.t.Helper()
	var v T
	require.NoErrorf(a.t, json.Unmarshal(a.Body.Bytes(), &v), "%s", a.Body)
	return v
}

func decodeNumber(t *testing.T, text string) int64 {
	t.Helper()
	number, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return number
}

// keyed lists the calls that take a key, and the outcome that they are answered with.
func keyed() map[string]boxoffice.Outcome {
	return map[string]boxoffice.Outcome{
		"chargePoints":  {At: start, Created: true, Entry: new(entry())},
		"holdSeat":      {At: start, Created: true, Reservation: new(held())},
		"pay":           {At: start, Created: true, Payment: new(paid())},
		"cancelPayment": {At: start, Created: true, Payment: new(refunded())},
	}
}

func TestStoredAnswersAreToldAgain(t *testing.T) {
	t.Parallel()
	for id, outcome := range keyed() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f, s := setup(t), sampleOf(t, id)
			var asked boxoffice.IdempotencyKey
			f.storedAnswer = func(key boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
				asked = key
				return outcome, true, nil
			}
			f.now = func() time.Time { return start.Add(2 * time.Minute) } // time has passed, the answer has not
			options := f.right(s)
			if id == "holdSeat" {
				options = []option{f.as(userID), key("k-1")} // the guard is not asked
			}
			a := f.do(s.method, s.target, s.body, options...)
			a.succeeded(s.status, s.want)
			require.Equal(t, "true", a.Header().Get(idempotencyReplayedHeader))
			require.Equal(t, s.header["Location"], a.Header().Get("Location"))
			require.Equal(t, userID, asked.UserID)
			require.Equal(t, "k-1", asked.Key)
			require.Equal(t, s.method+" "+f.routeOf(id).pattern, asked.Operation)

			// A refusal that was stored is told again as well.
			outcome := boxoffice.Outcome{At: start, Refusal: boxoffice.Errorf(boxoffice.CodeHoldExpired, "over")}
			if id == "holdSeat" {
				outcome.Refusal = &boxoffice.Error{Code: boxoffice.CodeSeatTaken, Detail: "taken", AvailableSeats: []int{3, 5}}
			}
			f.storedAnswer = func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) { return outcome, true, nil }
			if id == "holdSeat" || id == "pay" {
				a = f.do(s.method, s.target, s.body, options...)
				p := a.refused(a.Code, outcome.Refusal.Code)
				require.Equal(t, outcome.Refusal.AvailableSeats, p.AvailableSeats)
				require.Equal(t, "true", a.Header().Get(idempotencyReplayedHeader))
			}
		})
	}
}

// Of concurrent requests with one key the journal finds out who was first.
func TestOutcomesThatWereReplayedLateAreMarkedToo(t *testing.T) {
	t.Parallel()
	for id, outcome := range keyed() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f, s := setup(t), sampleOf(t, id)
			s.arrange(f)
			outcome.Replayed = true
			f.charge = func(op boxoffice.Operation, _ uuid.UUID, _ int64, _ time.Time) (boxoffice.Outcome, error) {
				return outcome, checkOperation(op)
			}
			f.hold = func(_ int64, cmd boxoffice.Hold) (boxoffice.Outcome, error) {
				return outcome, checkOperation(cmd.Operation)
			}
			f.pay = func(_ int64, cmd boxoffice.Pay) (boxoffice.Outcome, error) {
				return outcome, checkOperation(cmd.Operation)
			}
			f.cancelSale = func(_ int64, cmd boxoffice.CancelSale) (boxoffice.Outcome, error) {
				return outcome, checkOperation(cmd.Operation)
			}
			a := f.do(s.method, s.target, s.body, f.right(s)...)
			a.succeeded(s.status, s.want)
			require.Equal(t, "true", a.Header().Get(idempotencyReplayedHeader))
		})
	}
}

func checkOperation(op boxoffice.Operation) error {
	if op.ID.Version() != 7 || op.Key.Key != "k-1" || op.Key.UserID != userID || op.Key.Digest == [32]byte{} {
		return boxoffice.Invalid("operation", "is incomplete")
	}
	return nil
}

func TestSameRequestIsTheSameValueNotTheSameBytes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	digests := map[string][32]byte{}
	f.storedAnswer = func(key boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
		digests[key.Key] = key.Digest
		return boxoffice.Outcome{At: start, Entry: new(entry()), Reservation: new(held()), Payment: new(paid())}, true, nil
	}
	send := func(name, target, body string) {
		require.Contains(t, []int{200, 201}, f.do("POST", target, body, f.as(userID), key(name)).Code, name)
	}
	send("plain", userPath("points/charges"), `{"amount":500}`)
	send("spaced", userPath("points/charges"), " {\n\"amount\" : 500 } ")
	send("null", userPath("points/charges"), `{"note":null,"amount":500}`)
	send("escaped", userPath("points/charges"), `{"\u0061mount":500}`)
	send("upper case", "/api/v1/users/"+strings.ToUpper(userID.String())+"/points/charges", `{"amount":500}`)
	require.Equal(t, digests["plain"], digests["upper case"])
	require.Equal(t, digests["plain"], digests["spaced"])
	require.Equal(t, digests["plain"], digests["null"])
	require.Equal(t, digests["plain"], digests["escaped"])
	send("other amount", userPath("points/charges"), `{"amount":501}`)
	require.NotEqual(t, digests["plain"], digests["other amount"])

	send("no body", "/api/v1/payments/"+thingID.String()+"/cancellation", "")
	send("empty object", "/api/v1/payments/"+thingID.String()+"/cancellation", "{}")
	send("other payment", "/api/v1/payments/"+otherID.String()+"/cancellation", "")
	require.Equal(t, digests["no body"], digests["empty object"])
	require.NotEqual(t, digests["no body"], digests["other payment"])
}

func TestKeysOutsideTheRules(t *testing.T) {
	t.Parallel()
	f := setup(t)
	s := sampleOf(t, "chargePoints")
	s.arrange(f)
	for value, want := range map[string]int{
		"k": 201, strings.Repeat("k", 255): 201, "a b~!": 201, strings.Repeat("k", 256): 422, "ключ": 422, "a\tb": 422, "\x7f": 422, "\xff": 422, "": 400,
	} {
		a := f.do(s.method, s.target, s.body, f.as(userID), key(value))
		require.Equal(t, want, a.Code, "%q", value)
		if want == 422 {
			require.Equal(t, "header.Idempotency-Key", a.problem().Errors[0].Location)
		}
	}
	a := f.do(s.method, s.target, s.body, f.as(userID), func(r *http.Request) { r.Header[idempotencyKeyHeader] = []string{"a", "b"} })
	a.refused(422, boxoffice.CodeInvalidRequest)

	// On reservations a key is optional.
	allowSeats(f)
	sampleOf(t, "holdSeat").arrange(f)
	hold := f.hold
	f.hold = func(id int64, cmd boxoffice.Hold) (boxoffice.Outcome, error) {
		require.True(t, cmd.Key.IsZero())
		require.Equal(t, uuid.Version(7), cmd.Operation.ID.Version())
		require.Equal(t, uuid.Version(7), cmd.ReservationID.Version())
		require.Equal(t, 17, cmd.SeatNumber)
		return hold(id, cmd)
	}
	for _, option := range []option{without(idempotencyKeyHeader), key("")} {
		require.Equal(t, 201, f.do("POST", holdTarget, `{"seatNumber":17}`, f.as(userID), f.queue(admittedClaims()), option).Code)
	}
	f.do("POST", holdTarget, `{"seatNumber":17}`, f.as(userID), f.queue(admittedClaims()), key("\x7f")).refused(422, boxoffice.CodeInvalidRequest)
}
