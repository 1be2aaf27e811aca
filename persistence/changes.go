package persistence

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/google/uuid"

	"boxoffice"

	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// changes are the rows that one commit implies, folded: a row that several of its
// events touch appears once, as it is to be in the end.
type changes struct {
	events       []eventRow
	reservations []reservationChange
	joined       []placeChange // new places, by ascending sequence
	places       []placeChange // changes of places, by ascending sequence
	movements    []movement
	answers      []answerRow
}

type eventRow struct {
	eventType   string
	data        []byte
	operationID uuid.UUID
	at          time.Time
}

// reservationChange inserts a reservation, or changes it from one status to another.
type reservationChange struct {
	id         uuid.UUID
	inserted   bool
	from, to   boxoffice.ReservationStatus // from is empty for inserted ones
	seatNumber int
	userID     uuid.UUID
	price      int64
	createdAt  time.Time
	expiresAt  time.Time // zero unless held
	endedAt    time.Time // zero while live
}

// movement is points that go to (or, negative, from) a user's account for a payment.
type movement struct {
	entryType     boxoffice.EntryType // payment or refund
	userID        uuid.UUID
	paymentID     uuid.UUID
	reservationID uuid.UUID
	operationID   uuid.UUID
	amount        int64 // signed
	at            time.Time
	answer        *answerRow // that a purchase stores, if its payer sent a key
}

// answerRow is an answer to store. The balance of one that tells of a movement is known
// only when the points have moved: it belongs between before and after.
type answerRow struct {
	boxoffice.Answer
	encoded       []byte // nil while the balance is not known
	before, after []byte // nil unless the answer tells of a movement
	ofPurchase    bool   // it is the answer of a movement
}

func (a *answerRow) encode(movements []movement) (err error) {
	if slices.ContainsFunc(movements, a.tellsOf) {
		a.before, a.after, err = boxoffice.EncodeUnsettled(a.Outcome)
	} else {
		a.encoded, err = boxoffice.EncodeOutcome(a.Outcome)
	}
	return err
}

func (a *answerRow) tellsOf(m movement) bool {
	told := a.Outcome.Payment
	return told != nil && told.ID == m.paymentID &&
		(told.Status == boxoffice.PaymentCancelled) == (m.entryType == boxoffice.EntryRefund)
}

// settle puts the balance into an answer that tells of a movement.
func (a *answerRow) settle(balance int64) {
	payment := *a.Outcome.Payment
	payment.Balance = balance
	a.Outcome.Payment = &payment
	a.encoded = slices.Concat(a.before, strconv.AppendInt(nil, balance, 10), a.after)
}

// changesOf tells the rows that a commit implies. It fails on events that cannot be
// stored, which is a mistake of the caller.
func changesOf(c boxoffice.Commit) (*changes, error) {
	rows := &changes{events: make([]eventRow, 0, len(c.Events))}
	for _, e := range c.Events {
		eventType, data, err := boxoffice.EncodeEvent(e)
		if err != nil {
			return nil, err
		}
		rows.events = append(rows.events, eventRow{eventType, data, e.OperationID, e.At})
		if err := rows.project(e); err != nil {
			return nil, fmt.Errorf("project event %q: %w", eventType, err)
		}
	}
	rows.places = foldPlaces(rows.places)
	for _, a := range c.Answers {
		if a.Key.IsZero() {
			return nil, fmt.Errorf("answer to operation %v has no idempotency key", a.OperationID)
		}
		row := answerRow{Answer: a}
		if err := row.encode(rows.movements); err != nil {
			return nil, fmt.Errorf("answer to operation %v: %w", a.OperationID, err)
		}
		rows.answers = append(rows.answers, row)
	}
	rows.assignAnswers()
	return rows, nil
}

// assignAnswers gives each payment the answer that tells its payer of it.
func (r *changes) assignAnswers() {
	for i := range r.movements {
		m := &r.movements[i]
		n := slices.IndexFunc(r.answers, func(a answerRow) bool { return a.tellsOf(*m) && a.Key.UserID == m.userID })
		if n >= 0 && m.entryType == boxoffice.EntryPayment {
			m.answer = &r.answers[n]
			m.answer.ofPurchase = true
		}
	}
}

// size is how many rows there are, roughly: what a group is bounded by.
func (r *changes) size() int {
	return 1 + len(r.events) + len(r.reservations) + len(r.joined) + len(r.places) + 4*len(r.movements) + len(r.answers)
}

// project folds one event into the rows.
func (r *changes) project(e boxoffice.Event) error {
	switch d := e.Data.(type) {
	case seatmap.Opened, waitingroom.Opened, waitingroom.Configured:
		return nil // state of the grain alone
	case seatmap.Held:
		r.hold(e, d)
		return nil
	case seatmap.Released:
		r.places = append(r.places, placeChange{sequence: d.Sequence, rule: ruleLive, setsHold: true})
		return r.end(d.ReservationID, boxoffice.ReservationHeld, boxoffice.ReservationReleased, e.At)
	case seatmap.Expired:
		r.places = append(r.places, placeChange{sequence: d.Sequence, rule: ruleLive, setsHold: true})
		return r.end(d.ReservationID, boxoffice.ReservationHeld, boxoffice.ReservationExpired, e.At)
	case seatmap.Confirmed:
		r.places = append(r.places, endOfPlace(d.Sequence, boxoffice.PlaceCompleted, e.At))
		r.movements = append(r.movements, movement{
			boxoffice.EntryPayment, d.UserID, d.PaymentID, d.ReservationID, e.OperationID, -d.Amount, e.At, nil,
		})
		return r.end(d.ReservationID, boxoffice.ReservationHeld, boxoffice.ReservationConfirmed, time.Time{})
	case seatmap.Cancelled:
		r.movements = append(r.movements, movement{
			boxoffice.EntryRefund, d.UserID, d.PaymentID, d.ReservationID, e.OperationID, d.Amount, e.At, nil,
		})
		return r.end(d.ReservationID, boxoffice.ReservationConfirmed, boxoffice.ReservationCancelled, e.At)
	default:
		return r.projectQueue(e)
	}
}

func (r *changes) hold(e boxoffice.Event, d seatmap.Held) {
	r.reservations = append(r.reservations, reservationChange{
		id:         d.ReservationID,
		inserted:   true,
		to:         boxoffice.ReservationHeld,
		seatNumber: d.SeatNumber,
		userID:     d.UserID,
		price:      d.Price,
		createdAt:  e.At,
		expiresAt:  d.ExpiresAt,
	})
	r.places = append(r.places, placeChange{
		sequence:    d.Sequence,
		rule:        ruleHold,
		userID:      d.UserID,
		operationID: e.OperationID,
		setsHold:    true,
		heldUntil:   d.ExpiresAt,
	})
}

// end takes a reservation out of a status. endedAt is zero if it stays live.
func (r *changes) end(id uuid.UUID, from, to boxoffice.ReservationStatus, endedAt time.Time) error {
	for i := len(r.reservations) - 1; i >= 0; i-- {
		c := &r.reservations[i]
		if c.id != id {
			continue
		}
		if c.to != from {
			return fmt.Errorf("reservation %v is %s, not %s", id, c.to, from)
		}
		c.to, c.expiresAt, c.endedAt = to, time.Time{}, endedAt
		return nil
	}
	r.reservations = append(r.reservations, reservationChange{id: id, from: from, to: to, endedAt: endedAt})
	return nil
}

// projectQueue folds one event of a waiting room.
func (r *changes) projectQueue(e boxoffice.Event) error {
	switch d := e.Data.(type) {
	case waitingroom.Joined:
		if n := len(r.joined); n > 0 && r.joined[n-1].sequence >= d.First {
			return fmt.Errorf("sequence %d follows %d", d.First, r.joined[n-1].sequence)
		}
		for i, userID := range d.UserIDs {
			r.joined = append(r.joined, placeChange{
				sequence: d.First + uint64(i), userID: userID, status: boxoffice.PlaceWaiting, joinedAt: e.At,
			})
		}
	case waitingroom.Admitted:
		for _, sequence := range d.Sequences {
			r.change(placeChange{
				sequence: sequence, rule: ruleAdmit, status: boxoffice.PlaceAdmitted,
				admittedAt: e.At, endsAt: d.EndsAt, claimed: d.Claimed,
			})
		}
	case waitingroom.Claimed:
		for _, sequence := range d.Sequences {
			r.change(placeChange{sequence: sequence, rule: ruleAdmitted, claimed: true})
		}
	case waitingroom.Ended:
		if d.Status == boxoffice.PlaceCompleted {
			return nil // learned from the payment, whose commit ended the row
		}
		for _, sequence := range d.Sequences {
			r.change(endOfPlace(sequence, d.Status, e.At))
		}
	default:
		return fmt.Errorf("%T is not known to the journal", d)
	}
	return nil
}

// change changes a place, which may be one that joins in this commit.
func (r *changes) change(c placeChange) {
	i := sort.Search(len(r.joined), func(i int) bool { return r.joined[i].sequence >= c.sequence })
	if i < len(r.joined) && r.joined[i].sequence == c.sequence {
		r.joined[i].then(c)
		return
	}
	r.places = append(r.places, c)
}

// placeRule is what the row of a place must say for a change of it to be made.
type placeRule string

// The rules. A change that is required and cannot be made stops its commit; one that is
// not has come too late, and whatever the row says stays.
const (
	ruleLive     placeRule = "live"     // has not ended
	ruleAdmitted placeRule = "admitted" // is admitted
	ruleHold     placeRule = "hold"     // is admitted, of the user; required
	ruleExpire   placeRule = "expire"   // is admitted, without a live hold; required
	ruleAdmit    placeRule = "admit"    // waits; required
)

func (r placeRule) required() bool { return r == ruleHold || r == ruleExpire || r == ruleAdmit }

// placeChange is a change of one place in line; zero values leave a column as it is.
type placeChange struct {
	sequence    uint64
	rule        placeRule
	userID      uuid.UUID // ruleHold, and of new places
	operationID uuid.UUID // ruleHold
	status      boxoffice.PlaceStatus
	claimed     bool
	joinedAt    time.Time
	admittedAt  time.Time
	endsAt      time.Time
	setsHold    bool
	heldUntil   time.Time // if setsHold; zero: no hold
	endedAt     time.Time
}

func endOfPlace(sequence uint64, status boxoffice.PlaceStatus, at time.Time) placeChange {
	c := placeChange{sequence: sequence, status: status, setsHold: true, endedAt: at}
	switch status {
	case boxoffice.PlaceExpired:
		c.rule = ruleExpire
	case boxoffice.PlaceCompleted:
		c.rule = ruleAdmitted
	default:
		c.rule = ruleLive
	}
	return c
}

// then makes of a change the change followed by next. What comes after the end of a
// place is dropped.
func (c *placeChange) then(next placeChange) {
	if !c.endedAt.IsZero() {
		return
	}
	if next.rule.required() && !c.rule.required() {
		c.rule, c.userID, c.operationID = next.rule, cmp.Or(c.userID, next.userID), next.operationID
	}
	c.status = cmp.Or(next.status, c.status)
	c.claimed = c.claimed || next.claimed
	if !next.admittedAt.IsZero() {
		c.admittedAt, c.endsAt = next.admittedAt, next.endsAt
	}
	if next.setsHold {
		c.setsHold, c.heldUntil = true, next.heldUntil
	}
	c.endedAt = next.endedAt
}

// foldPlaces sorts changes by place and leaves one for each.
func foldPlaces(changes []placeChange) []placeChange {
	slices.SortStableFunc(changes, func(a, b placeChange) int { return cmp.Compare(a.sequence, b.sequence) })
	folded := changes[:0]
	for _, c := range changes {
		if n := len(folded); n > 0 && folded[n-1].sequence == c.sequence {
			folded[n-1].then(c)
			continue
		}
		folded = append(folded, c)
	}
	return folded
}
