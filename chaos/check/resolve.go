package check

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/chaos/history"
)

// Resolve turns operations into effects: what a client was told stands as it was told;
// what nobody knows is looked up in the events and the stored answers, and left out
// where they do not have it. The violations are broken promises about idempotency keys.
func Resolve(e Evidence) ([]Effect, []Violation) {
	r := resolver{evidence: e, facts: collectFacts(e), keys: make(map[keyID]KeyRow), claimed: make(map[uuid.UUID]bool)}
	for _, row := range e.State.Keys {
		r.keys[keyID{row.UserID, row.Key}] = row
	}
	groups := make(map[keyID][]history.Operation)
	var order []keyID
	var unkeyed []history.Operation
	for _, op := range e.Operations {
		id := keyID{op.Request.UserID, op.Request.Key}
		switch {
		case op.Result == history.Failed:
		case op.Request.KeyReused:
			r.checkReused(op)
		case id.key == "":
			unkeyed = append(unkeyed, op)
		default:
			if groups[id] == nil {
				order = append(order, id)
			}
			groups[id] = append(groups[id], op)
		}
	}
	for _, id := range order {
		r.resolveGroup(groups[id], r.keys[id])
	}
	// What is known comes first, so that an unknown operation cannot be taken for the
	// cause of what another one was told that it did.
	for _, op := range unkeyed {
		if op.Result.Definite() {
			r.add(effectOf(op))
		}
	}
	for _, op := range unkeyed {
		if !op.Result.Definite() {
			r.resolveUnknown(op)
		}
	}
	slices.SortStableFunc(r.effects, func(a, b Effect) int { return cmp.Compare(a.Call, b.Call) })
	return r.effects, r.violations
}

// keyID is an idempotency key. The workload never uses one key for two kinds of request.
type keyID struct {
	userID uuid.UUID
	key    string
}

type resolver struct {
	evidence   Evidence
	facts      facts
	keys       map[keyID]KeyRow
	effects    []Effect
	violations []Violation
	claimed    map[uuid.UUID]bool // reservations whose making is explained
}

func (r *resolver) add(f Effect) {
	if f.Kind == history.Hold && f.OK && f.Created {
		r.claimed[f.Answer.ReservationID] = true
	}
	r.effects = append(r.effects, f)
}

func (r *resolver) violate(check string, operations []int, format string, args ...any) {
	r.violations = append(r.violations, Violation{check, fmt.Sprintf(format, args...), operations})
}

func effectOf(op history.Operation) Effect {
	return Effect{
		Kind: op.Kind, Request: op.Request, OK: op.Result == history.OK, Created: op.Status == 201,
		Code: op.Code, Answer: op.Answer, Client: op.Client, Node: op.Node,
		Call: op.Call, Return: op.Return, Operations: []int{op.Number},
	}
}

// checkReused: a key that was answered is refused to every other request.
func (r *resolver) checkReused(op history.Operation) {
	if op.Result.Definite() && op.Code != string(boxoffice.CodeIdempotencyKeyReused) {
		r.violate("idempotency", []int{op.Number}, "a key that another request was answered with got %d %s", op.Status, op.Code)
	}
}

// stored reports whether an answer is one that is kept under its key.
func stored(op history.Operation) bool {
	switch op.Result {
	case history.OK:
		return true
	case history.Refused:
		return boxoffice.Outcome{Refusal: &boxoffice.Error{Code: boxoffice.Code(op.Code)}}.Storable()
	default:
		return false
	}
}

// resolveGroup makes one effect of all that was sent with one key.
func (r *resolver) resolveGroup(group []history.Operation, row KeyRow) {
	var answered []history.Operation
	var numbers []int
	first := Effect{Return: Never}
	for i, op := range group {
		if i == 0 || op.Call < first.Call {
			first.Call = op.Call
		}
		numbers = append(numbers, op.Number)
		switch {
		case stored(op):
			answered = append(answered, op)
		case op.Result == history.Refused:
			r.add(effectOf(op)) // a refusal that is not kept speaks for itself alone
		}
	}
	slices.SortStableFunc(answered, func(a, b history.Operation) int { return cmp.Compare(a.Return, b.Return) })
	if len(answered) > 0 {
		call := first.Call
		first = effectOf(answered[0])
		first.Call, first.Operations = call, numbers
		r.checkGroup(answered, row, numbers)
		r.add(first)
		return
	}
	if row.Key == "" {
		return // it never happened
	}
	unknown := effectOf(group[0])
	unknown.Call, unknown.Return, unknown.Operations = first.Call, Never, numbers
	unknown.OK, unknown.Created, unknown.Code, unknown.Answer = answerOf(row.Outcome)
	r.add(unknown)
}

// checkGroup: the same key gets the same answer, one of them as the first, and that
// answer is what is kept.
func (r *resolver) checkGroup(answered []history.Operation, row KeyRow, numbers []int) {
	fresh := 0
	for _, op := range answered {
		if !op.Replayed {
			fresh++
		}
		if op.Status != answered[0].Status || !sameBody(op, answered[0]) {
			r.violate("idempotency", numbers, "key %s got two answers: %d %s and %d %s", op.Request.Key,
				answered[0].Status, answered[0].Body, op.Status, op.Body)
		}
	}
	if fresh > 1 {
		r.violate("idempotency", numbers, "key %s was answered %d times as if for the first time", answered[0].Request.Key, fresh)
	}
	if row.Key == "" {
		r.violate("durability", numbers, "the answer to key %s was acknowledged and is not kept", answered[0].Request.Key)
		return
	}
	ok, _, code, answer := answerOf(row.Outcome)
	told := answered[0]
	if ok != (told.Result == history.OK) || code != told.Code || answer.ReservationID != told.Answer.ReservationID && told.Answer.ReservationID != uuid.Nil ||
		answer.PaymentUUID() != told.Answer.PaymentUUID() || answer.EntryID != told.Answer.EntryID {
		r.violate("idempotency", numbers, "key %s was answered %d %s, but another answer is kept: %+v",
			told.Request.Key, told.Status, told.Body, row.Outcome)
	}
}

// sameBody compares two answers but for what a problem says of its own request.
func sameBody(a, b history.Operation) bool {
	if a.Result == history.OK {
		return bytes.Equal(a.Body, b.Body)
	}
	return a.Code == b.Code && slices.Equal(a.Answer.AvailableSeats, b.Answer.AvailableSeats) &&
		valueOf(a.Answer.Balance) == valueOf(b.Answer.Balance)
}

// answerOf returns the answer that a stored outcome made.
func answerOf(o boxoffice.Outcome) (ok, created bool, code string, a history.Answer) {
	if o.Refusal != nil {
		a.AvailableSeats, a.Amount = o.Refusal.AvailableSeats, o.Refusal.Amount
		a.Balance = &o.Refusal.Balance
		return false, false, string(o.Refusal.Code), a
	}
	if h := o.Reservation; h != nil {
		a.ReservationID, a.ScheduleID, a.SeatNumber, a.Status = h.ID, h.ScheduleID, h.SeatNumber, string(h.Status)
		a.ExpiresAt = &h.ExpiresAt
	}
	if p := o.Payment; p != nil {
		a.PaymentID, a.ReservationID, a.ScheduleID, a.SeatNumber = &p.ID, p.ReservationID, p.ScheduleID, p.SeatNumber
		a.Amount, a.Balance, a.RefundedAmount, a.Status = p.Amount, &p.Balance, p.RefundedAmount, string(p.Status)
	}
	if e := o.Entry; e != nil {
		a.EntryID, a.Amount, a.Balance = e.ID, e.Amount, &e.BalanceAfter
	}
	return true, o.Created, "", a
}

// resolveUnknown looks in the log for what an operation without a key may have done.
func (r *resolver) resolveUnknown(op history.Operation) {
	f := effectOf(op)
	f.Return, f.OK = Never, true
	switch op.Kind {
	case history.Hold:
		id, found := r.findHeld(op)
		if !found {
			return
		}
		held := r.facts.held[id]
		expiresAt := r.evidence.Zero.Add(held.expires)
		f.Created = true
		f.Answer = history.Answer{
			ReservationID: id, ScheduleID: held.scheduleID, SeatNumber: held.seatNumber, ExpiresAt: &expiresAt,
		}
		r.add(f)
	case history.Release:
		if _, happened := r.facts.released[op.Request.ReservationID]; happened {
			r.add(f)
		}
	case history.Leave:
		place := placeID{op.Request.Place.ScheduleID, op.Request.Place.Sequence}
		_, left := r.facts.left[place]
		if left || r.releasedWith(place) {
			r.add(f)
		}
	}
}

// findHeld finds a hold that nobody has explained yet and op may have made: the
// earliest that is not from before it was called.
func (r *resolver) findHeld(op history.Operation) (uuid.UUID, bool) {
	var best uuid.UUID
	bestAt := Never
	for id, held := range r.facts.held {
		matches := held.userID == op.Request.UserID && held.scheduleID == op.Request.ScheduleID &&
			held.seatNumber == op.Request.SeatNumber && !r.claimed[id] && held.at >= op.Call-time.Second
		if matches && !r.keyed(held.operationID) && held.at < bestAt {
			best, bestAt = id, held.at
		}
	}
	return best, bestAt != Never
}

// keyed reports whether an operation id belongs to a request with a key.
func (r *resolver) keyed(operationID uuid.UUID) bool {
	return slices.ContainsFunc(r.evidence.State.Keys, func(k KeyRow) bool { return k.OperationID == operationID })
}

// releasedWith reports whether a hold that was taken with a place was released.
func (r *resolver) releasedWith(place placeID) bool {
	for id := range r.facts.released {
		if held := r.facts.held[id]; held.scheduleID == place.scheduleID && held.sequence == place.sequence {
			return true
		}
	}
	return false
}

// valueOf returns what is pointed at, or the zero value.
func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
