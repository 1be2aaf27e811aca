package check

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice"
	"boxoffice/chaos/history"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The schedule, price and lives of the stories that tests tell.
const (
	theSchedule int64 = 1
	thePrice    int64 = 100
	ms                = time.Millisecond
)

func theLimits() Limits {
	return Limits{
		Epsilon: 50 * ms, Staleness: time.Second, HoldTTL: 2 * time.Second,
		AdmissionTTL: 10 * time.Second, ClaimTTL: 2 * time.Second, Patience: time.Minute,
	}
}

// story is evidence that a test makes up: what clients saw, and what the log has. All
// times are milliseconds of the history's clock.
type story struct {
	t        *testing.T
	evidence Evidence
	versions map[boxoffice.Kind]int64
	holds    map[uuid.UUID]seatmap.Held
	balances map[uuid.UUID]int64
	joined   uint64
}

func tell(t *testing.T) *story {
	t.Helper()
	s := &story{
		t: t, evidence: Evidence{Zero: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		versions: make(map[boxoffice.Kind]int64), holds: make(map[uuid.UUID]seatmap.Held),
		balances: make(map[uuid.UUID]int64),
	}
	s.log(0, boxoffice.KindSchedule, uuid.Nil, seatmap.Opened{})
	s.log(0, boxoffice.KindGatekeeper, uuid.Nil, waitingroom.Opened{Capacity: 2, AdmitPerSecond: 3})
	return s
}

func (s *story) at(millis int) time.Time {
	return s.evidence.Zero.Add(time.Duration(millis) * ms)
}

// log adds an event.
func (s *story) log(at int, kind boxoffice.Kind, operationID uuid.UUID, data boxoffice.EventData) {
	s.versions[kind]++
	s.evidence.State.Events = append(s.evidence.State.Events, EventRow{
		Grain: boxoffice.Grain{Kind: kind, ID: theSchedule}, Version: s.versions[kind], Epoch: 1,
		OperationID: operationID, At: s.at(at), Data: data,
	})
}

// user registers somebody with points.
func (s *story) user(points int64) uuid.UUID {
	id := uuid.New()
	s.evidence.State.Users = append(s.evidence.State.Users, id)
	if points > 0 {
		s.balances[id] = points
		entry := uuid.New()
		s.evidence.State.Entries = append(s.evidence.State.Entries, EntryRow{
			TransactionID: entry, UserID: id, Type: boxoffice.EntryCharge, Amount: points, BalanceAfter: points,
		})
		s.op(history.Charge, 0, 1, id, func(op *history.Operation) {
			op.Request.Amount, op.Answer = points, history.Answer{EntryID: entry, Amount: points, Balance: &points}
		})
	}
	return id
}

// op adds an operation that was answered 200; change makes it something else.
func (s *story) op(kind history.Kind, call, end int, userID uuid.UUID, change func(*history.Operation)) {
	op := history.Operation{
		Number: len(s.evidence.Operations) + 1, Kind: kind, Result: history.OK, Status: 200,
		Call: time.Duration(call) * ms, Return: time.Duration(end) * ms,
		Request: history.Request{UserID: userID, ScheduleID: theSchedule},
	}
	if change != nil {
		change(&op)
	}
	if op.Body == nil && op.Result == history.OK {
		body, err := json.Marshal(op.Answer)
		require.NoError(s.t, err)
		op.Body = body
	}
	s.evidence.Operations = append(s.evidence.Operations, op)
}

// refused makes an operation a refusal.
func refused(code boxoffice.Code) func(*history.Operation) {
	return func(op *history.Operation) { op.Result, op.Status, op.Code = history.Refused, 409, string(code) }
}

// unknown makes an operation one that nobody knows the result of.
func unknown(op *history.Operation) {
	op.Result, op.Status, op.Answer, op.Error = history.Unknown, 0, history.Answer{}, "connection reset"
}

// key keeps the answer of an operation under a key.
func (s *story) key(userID uuid.UUID, key string, operationID uuid.UUID, outcome boxoffice.Outcome) {
	s.evidence.State.Keys = append(s.evidence.State.Keys, KeyRow{
		UserID: userID, Operation: "POST", Key: key, OperationID: operationID, Outcome: outcome,
	})
}

// logHold adds the event of a hold.
func (s *story) logHold(at int, userID uuid.UUID, seat int) seatmap.Held {
	held := seatmap.Held{
		ReservationID: uuid.New(), UserID: userID, SeatNumber: seat, Price: thePrice,
		ExpiresAt: s.at(at).Add(2 * time.Second),
	}
	s.holds[held.ReservationID] = held
	s.log(at, boxoffice.KindSchedule, uuid.New(), held)
	return held
}

// hold adds a hold that was acknowledged, without a key.
func (s *story) hold(call, end int, userID uuid.UUID, seat int) uuid.UUID {
	held := s.logHold(call, userID, seat)
	s.op(history.Hold, call, end, userID, func(op *history.Operation) {
		op.Status, op.Request.SeatNumber = 201, seat
		op.Answer = history.Answer{ReservationID: held.ReservationID, SeatNumber: seat, ExpiresAt: &held.ExpiresAt}
	})
	return held.ReservationID
}

// pay adds a payment that was acknowledged, with a key.
func (s *story) pay(call, end int, userID, reservation uuid.UUID) uuid.UUID {
	payment, operationID, key := uuid.New(), uuid.New(), uuid.NewString()
	s.balances[userID] -= thePrice
	balance := s.balances[userID]
	s.log(call, boxoffice.KindSchedule, operationID, seatmap.Confirmed{
		PaymentID: payment, ReservationID: reservation, UserID: userID,
		SeatNumber: s.holds[reservation].SeatNumber, Amount: thePrice,
	})
	s.key(userID, key, operationID, boxoffice.Outcome{Created: true, Payment: &boxoffice.Payment{
		ID: payment, ReservationID: reservation, Amount: thePrice, Balance: balance,
	}})
	s.op(history.Pay, call, end, userID, func(op *history.Operation) {
		op.Status, op.Request.ReservationID, op.Request.Key = 201, reservation, key
		op.Answer = history.Answer{PaymentID: &payment, ReservationID: reservation, Amount: thePrice, Balance: &balance}
	})
	return payment
}

// cancel adds a cancellation that was acknowledged.
func (s *story) cancel(call, end int, userID, reservation, payment uuid.UUID) {
	operationID, key := uuid.New(), uuid.NewString()
	s.balances[userID] += thePrice
	balance := s.balances[userID]
	s.log(call, boxoffice.KindSchedule, operationID, seatmap.Cancelled{
		PaymentID: payment, ReservationID: reservation, UserID: userID,
		SeatNumber: s.holds[reservation].SeatNumber, Amount: thePrice,
	})
	s.key(userID, key, operationID, boxoffice.Outcome{Created: true, Payment: &boxoffice.Payment{
		ID: payment, ReservationID: reservation, Amount: thePrice, Balance: balance, RefundedAmount: thePrice,
	}})
	s.op(history.Cancel, call, end, userID, func(op *history.Operation) {
		op.Status, op.Request.PaymentID, op.Request.Key = 201, payment, key
		op.Answer = history.Answer{
			PaymentID: &payment, ReservationID: reservation, Amount: thePrice, Balance: &balance, RefundedAmount: thePrice,
		}
	})
}

// join adds a join that was acknowledged and made a place.
func (s *story) join(call, end int, userID uuid.UUID) history.Token {
	s.joined++
	s.log(call, boxoffice.KindGatekeeper, uuid.Nil, waitingroom.Joined{First: s.joined, UserIDs: []uuid.UUID{userID}})
	token := history.Token{UserID: userID, ScheduleID: theSchedule, Sequence: s.joined}
	joinedAt := s.at(call)
	s.op(history.Join, call, end, userID, func(op *history.Operation) {
		op.Status = 201
		op.Answer = history.Answer{Status: "waiting", Place: token, Position: 1, JoinedAt: &joinedAt}
	})
	return token
}

func (s *story) admit(at int, sequences ...uint64) {
	s.log(at, boxoffice.KindGatekeeper, uuid.Nil, waitingroom.Admitted{
		Sequences: sequences, EndsAt: s.at(at).Add(10 * time.Second), Claimed: true,
	})
}

// check returns the checks that the story violates, each once, with what they say.
func (s *story) check() map[string]string {
	violations := make(map[string]string)
	for _, v := range Run(s.evidence, theLimits(), time.Now).Violations {
		violations[v.Check] += fmt.Sprintf("%s %v\n", v.Detail, v.Operations)
	}
	return violations
}

func (s *story) requirePass() {
	s.t.Helper()
	require.Empty(s.t, s.check())
}

func (s *story) requireViolation(check, detail string) {
	s.t.Helper()
	require.Contains(s.t, s.check()[check], detail)
}
