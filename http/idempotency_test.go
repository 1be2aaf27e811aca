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

// refuseUnstored makes a call fail in a way that no commit stands behind.
func refuseUnstored(f *fixture, id string) {
	s := sampleOf(f.t, id)
	s.arrange(f)
	f.charge = func(boxoffice.Operation, uuid.UUID, int64, time.Time) (boxoffice.Outcome, error) {
		return boxoffice.Outcome{At: start, Refusal: boxoffice.Errorf(boxoffice.CodeBalanceLimit, "too many points")}, nil
	}
	f.hold = func(int64, holding) (boxoffice.Outcome, error) {
		return boxoffice.Outcome{At: start, Refusal: expired("used up by the payment")}, nil
	}
	f.reservation = func(uuid.UUID, time.Time) (boxoffice.Reservation, error) {
		return boxoffice.Reservation{}, reservationNotFound()
	}
	f.payment = func(uuid.UUID) (boxoffice.Payment, error) {
		return boxoffice.Payment{}, boxoffice.Errorf(boxoffice.CodePaymentNotFound, "gone")
	}
}

// The journal finds the answer of a key in the commit that would store another one. Where
// a request is refused without a commit, the answer that it got before comes first.
func TestStoredAnswersAreToldAgain(t *testing.T) {
	t.Parallel()
	for id, outcome := range keyed() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f, s := setup(t), sampleOf(t, id)
			refuseUnstored(f, id)
			asked := 0
			f.storedAnswer = func(key boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
				asked++
				require.Equal(t, userID, key.UserID)
				require.Equal(t, "k-1", key.Key)
				require.Equal(t, s.method+" "+f.operationOf(id).pattern, key.Operation)
				require.NotZero(t, key.Digest)
				return outcome, true, nil
			}
			f.now = func() time.Time { return start.Add(2 * time.Minute) } // time has passed, the answer has not
			a := f.do(s.method, s.target, s.body, f.right(s)...)
			a.succeeded(s.status, s.want)
			require.Equal(t, "true", a.Header().Get(idempotencyReplayedHeader))
			require.Equal(t, s.header["Location"], a.Header().Get("Location"))
			require.Equal(t, 1, asked)

			// A refusal that was stored is told again as well.
			outcome := boxoffice.Outcome{At: start, Refusal: boxoffice.Errorf(boxoffice.CodeHoldExpired, "over")}
			if id == "holdSeat" {
				outcome.Refusal = &boxoffice.Error{Code: boxoffice.CodeSeatTaken, Detail: "taken", AvailableSeats: []int{3, 5}}
			}
			f.storedAnswer = func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) { return outcome, true, nil }
			if id == "holdSeat" || id == "pay" {
				a = f.do(s.method, s.target, s.body, f.right(s)...)
				p := a.refused(a.Code, outcome.Refusal.Code)
				require.Equal(t, outcome.Refusal.AvailableSeats, p.AvailableSeats)
				require.Equal(t, "true", a.Header().Get(idempotencyReplayedHeader))
			}
		})
	}
}

// What a request was told before comes before the guard, whatever the guard would say.
func TestReplaysNeedNoQueueToken(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.place = func(int64, boxoffice.PlaceRef) (boxoffice.Place, error) { return waitingPlace(), nil }
	elsewhere := admittedClaims()
	elsewhere.ScheduleID++
	f.storedAnswer = func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
		return keyed()["holdSeat"], true, nil
	}
	tokens := map[string]option{
		"none": without(queueTokenHeader), "forged": with(queueTokenHeader, "a.b.c"), "another schedule's": f.queue(elsewhere), "waiting": f.queue(waitingClaims()),
	}
	for name, token := range tokens {
		a := f.do("POST", holdTarget, `{"seatNumber":17}`, f.as(userID), key("k-1"), token)
		require.Equal(t, 201, a.Code, name)
		require.JSONEq(t, heldText, a.Body.String())
		require.Equal(t, "true", a.Header().Get(idempotencyReplayedHeader))
	}
	// Another request's key does not let anybody past the guard, nor tell them about keys.
	f.storedAnswer = func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
		return boxoffice.Outcome{}, false, boxoffice.Errorf(boxoffice.CodeIdempotencyKeyReused, "another request's")
	}
	for name, token := range tokens {
		a := f.do("POST", holdTarget, `{"seatNumber":17}`, f.as(userID), key("k-1"), token)
		require.Contains(t, []int{401, 403}, a.Code, name)
	}
	// While nobody can tell whether there is an answer, there is none.
	f.storedAnswer = func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
		return boxoffice.Outcome{}, false, boxoffice.Unavailable(nil)
	}
	f.do("POST", holdTarget, `{"seatNumber":17}`, f.as(userID), key("k-1")).refused(503, boxoffice.CodeUnavailable)
}

// A commit looks keys up itself: nothing is asked before it, nor after an answer that it
// stored, nor where the request will be sent again.
func TestKeysAreLookedUpByTheirCommits(t *testing.T) {
	t.Parallel()
	over := boxoffice.Errorf(boxoffice.CodeHoldExpired, "over")
	taken := &boxoffice.Error{Code: boxoffice.CodeSeatTaken, Detail: "taken"}
	for id, refusals := range map[string][]*boxoffice.Error{
		"chargePoints": nil, "cancelPayment": nil,
		"holdSeat": {taken, boxoffice.Unavailable(nil)}, "pay": {over, boxoffice.Unavailable(nil)},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f, s := setup(t), sampleOf(t, id)
			s.arrange(f)
			f.storedAnswer = nil // fails the test if it is asked
			f.do(s.method, s.target, s.body, append(f.right(s), key("0"))...).succeeded(s.status, s.want)
			for i, refusal := range refusals {
				outcome := boxoffice.Outcome{At: start, Refusal: refusal}
				f.hold = func(int64, holding) (boxoffice.Outcome, error) { return outcome, nil }
				f.pay = func(int64, selling) (boxoffice.Outcome, error) { return outcome, nil }
				a := f.do(s.method, s.target, s.body, append(f.right(s), key(strconv.Itoa(i+1)))...)
				a.refused(a.Code, refusal.Code)
			}
		})
	}
}

// A key that this node has had before is looked up first: a commit that is refused would
// cost all that share its transaction. What is not found is for the commit.
func TestKeysThatCameBeforeAreLookedUpFirst(t *testing.T) {
	t.Parallel()
	for id, outcome := range keyed() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f, s := setup(t), sampleOf(t, id)
			s.arrange(f)
			send := func() answer { return f.do(s.method, s.target, s.body, f.right(s)...) }
			require.Empty(t, send().Header().Get(idempotencyReplayedHeader))
			for _, err := range []error{nil, boxoffice.Unavailable(nil), boxoffice.Errorf(boxoffice.CodeIdempotencyKeyReused, "another's")} {
				f.storedAnswer = func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
					return boxoffice.Outcome{}, false, err
				}
				send().succeeded(s.status, s.want) // as the commit says
			}
			f.storedAnswer = func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) { return outcome, true, nil }
			require.Empty(t, send().Header().Get(idempotencyReplayedHeader), "its grain may not have heard of it")
			f.now = func() time.Time { return start.Add(settledAfter) }
			f.charge, f.hold, f.pay, f.cancelSale = nil, nil, nil, nil // fail the test if they are asked
			a := send()
			require.Equal(t, s.status, a.Code)
			require.Equal(t, "true", a.Header().Get(idempotencyReplayedHeader))
		})
	}
}

// The reservations that a node gave out are paid without a look at the database.
func TestReservationsThatWereGivenOutAreKnown(t *testing.T) {
	t.Parallel()
	f := setup(t)
	sampleOf(t, "pay").arrange(f)
	sampleOf(t, "holdSeat").arrange(f)
	f.reservation = nil // fails the test if it is asked
	hold := func() answer {
		return f.do("POST", holdTarget, `{"seatNumber":17}`, f.as(userID), f.queue(admittedClaims()))
	}
	require.Equal(t, 201, hold().Code)
	var paid []int64
	pay := f.pay
	f.pay = func(id int64, cmd selling) (boxoffice.Outcome, error) {
		require.Equal(t, thingID, cmd.ID)
		require.Equal(t, userID, cmd.UserID)
		paid = append(paid, id)
		return pay(id, cmd)
	}
	f.do("POST", payTarget, payBody, f.as(userID), key("k")).succeeded(201, paidText)
	f.do("POST", payTarget, payBody, f.as(otherID), key("k")).refused(404, boxoffice.CodeReservationNotFound)
	f.do("POST", payTarget, payBody, f.admin(), key("k")).refused(404, boxoffice.CodeReservationNotFound)
	require.Equal(t, []int64{knownSchedule}, paid)
	// One of another node is looked up once.
	f.api.knownReservations = newRecent[uuid.UUID, claim](maxKnownReservations)
	lookups := 0
	f.reservation = func(uuid.UUID, time.Time) (boxoffice.Reservation, error) { lookups++; return held(), nil }
	for range 2 {
		f.do("POST", payTarget, payBody, f.as(userID), key("k")).succeeded(201, paidText)
	}
	require.Equal(t, 1, lookups)
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
			f.hold = func(_ int64, cmd holding) (boxoffice.Outcome, error) {
				return outcome, checkOperation(cmd.Operation)
			}
			f.pay = func(_ int64, cmd selling) (boxoffice.Outcome, error) {
				return outcome, checkOperation(cmd.Operation)
			}
			f.cancelSale = func(_ int64, cmd selling) (boxoffice.Outcome, error) {
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
	f.charge = func(op boxoffice.Operation, _ uuid.UUID, _ int64, _ time.Time) (boxoffice.Outcome, error) {
		digests[op.Key.Key] = op.Key.Digest
		return boxoffice.Outcome{At: start, Entry: new(entry())}, nil
	}
	f.payment = func(id uuid.UUID) (boxoffice.Payment, error) {
		payment := paid()
		payment.ID = id
		return payment, nil
	}
	f.cancelSale = func(_ int64, cmd selling) (boxoffice.Outcome, error) {
		digests[cmd.Key.Key] = cmd.Key.Digest
		return boxoffice.Outcome{At: start, Created: true, Payment: new(refunded())}, nil
	}
	send := func(name, target, body string) {
		require.Contains(t, []int{200, 201}, f.do("POST", target, body, f.as(userID), key(name)).Code, name)
	}
	send("plain", userPath("points/charges"), `{"amount":500}`)
	send("spaced", userPath("points/charges"), " {\n\"amount\" : 500 } ")
	send("null", userPath("points/charges"), `{"note":null,"amount":500}`)
	send("escaped", userPath("points/charges"), `{"\u0061mount":500}`)
	send("fraction", userPath("points/charges"), `{"amount":500.0}`)
	send("exponent", userPath("points/charges"), `{"amount":5e2}`)
	send("upper case", "/api/v1/users/"+strings.ToUpper(userID.String())+"/points/charges", `{"amount":500}`)
	require.Equal(t, digests["plain"], digests["upper case"])
	require.Equal(t, digests["plain"], digests["spaced"])
	require.Equal(t, digests["plain"], digests["null"])
	require.Equal(t, digests["plain"], digests["escaped"])
	require.Equal(t, digests["plain"], digests["fraction"])
	require.Equal(t, digests["plain"], digests["exponent"])
	send("other amount", userPath("points/charges"), `{"amount":501}`)
	require.NotEqual(t, digests["plain"], digests["other amount"])

	send("no body", "/api/v1/payments/"+thingID.String()+"/cancellation", "")
	send("empty object", "/api/v1/payments/"+thingID.String()+"/cancellation", "{}")
	send("other payment", "/api/v1/payments/"+otherID.String()+"/cancellation", "")
	require.Equal(t, digests["no body"], digests["empty object"])
	require.NotEqual(t, digests["no body"], digests["other payment"])

	sampleOf(t, "pay").arrange(f)
	f.pay = func(_ int64, cmd selling) (boxoffice.Outcome, error) {
		digests[cmd.Key.Key] = cmd.Key.Digest
		return boxoffice.Outcome{At: start, Created: true, Payment: new(paid())}, nil
	}
	send("pay", "/api/v1/payments", `{"reservationId":"`+thingID.String()+`"}`)
	send("pay, spaced", "/api/v1/payments", `{ "reservationId":"`+thingID.String()+`"}`)
	require.Equal(t, digests["pay"], digests["pay, spaced"])
	require.NotEqual(t, digests["pay"], digests["no body"])
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
	a.refused(400, boxoffice.CodeMalformedRequest)

	// On reservations a key is optional.
	allowSeats(f)
	sampleOf(t, "holdSeat").arrange(f)
	hold := f.hold
	f.hold = func(id int64, cmd holding) (boxoffice.Outcome, error) {
		require.True(t, cmd.Key.IsZero())
		require.Equal(t, uuid.Version(7), cmd.Operation.ID.Version())
		require.Equal(t, 17, cmd.SeatNumber)
		return hold(id, cmd)
	}
	for _, option := range []option{without(idempotencyKeyHeader), key("")} {
		require.Equal(t, 201, f.do("POST", holdTarget, `{"seatNumber":17}`, f.as(userID), f.queue(admittedClaims()), option).Code)
	}
	f.do("POST", holdTarget, `{"seatNumber":17}`, f.as(userID), f.queue(admittedClaims()), key("\x7f")).refused(422, boxoffice.CodeInvalidRequest)
}
