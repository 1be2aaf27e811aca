package seatmap

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// What a schedule remembers beyond its seats.
const (
	// maxRemembered and rememberFor bound the memory of operations that had an effect.
	// It answers the retries of calls between nodes, which last seconds.
	maxRemembered = 128
	rememberFor   = time.Minute
	// maxSpent bounds the memory of places that payments used up, the newest kept. A
	// schedule sells 50 seats; only cancelling and selling again can get near it.
	maxSpent = 1024
	// maxBarred bounds the places that BarPlaces was told. Past it the older half goes:
	// places are let in in order, so their admissions end first.
	maxBarred = 1 << 17
)

// Schedule is one performance: its terms and who has which of its seats. The zero
// value is a schedule before its first event. It is not safe for concurrent use.
//
// Its state is a function of its events, except for what [Schedule.BarPlaces] adds.
type Seats struct {
	terms *keptTerms // nil before it was opened
	// claims are what the seats that are not free are claimed by, by seat number,
	// ascending. Neither they nor the slice ever change, they are replaced, so that clones
	// may share both.
	claims []*claim
	// changes counts the events that changed a seat.
	changes int64
	// spent are the places that payments used up, oldest first.
	spent []uint64
	// remembered are the operations that had an effect, oldest first.
	remembered []remembered
	// barred are the ended places that BarPlaces was told; shared with all clones.
	barred map[uint64]struct{}
}

// claim is a user's hold on a seat or, once confirmed, ownership of it.
type claim struct {
	reservationID uuid.UUID
	userID        uuid.UUID
	sequence      uint64 // of the place that the hold was taken with
	seatNumber    int
	price         int64
	createdAt     time.Time
	expiresAt     time.Time // of the hold
	paymentID     uuid.UUID // zero until confirmed
	paidAt        time.Time
}

// remembered is an operation that had an effect.
type remembered struct {
	id uuid.UUID
	effect
}

// effect is what an event did, as far as the answer to its operation needs it.
type effect struct {
	at time.Time
	// claim is what the event made, or ended if it cancelled a sale; nil if the answer tells
	// of none.
	claim     *claim
	cancelled bool
}

func (c *claim) confirmed() bool { return c.paymentID != uuid.Nil }

// live tells whether a claim keeps others from its seat: a hold does until its time is
// over, whether or not that was written down.
func (c *claim) live(now time.Time) bool {
	return c != nil && (c.confirmed() || now.Before(c.expiresAt))
}

// due tells whether a claim is a hold whose time is over.
func (c *claim) due(now time.Time) bool { return c != nil && !c.live(now) }

// held tells whether a claim is a hold that is good.
func (c *claim) held(now time.Time) bool {
	return c != nil && !c.confirmed() && now.Before(c.expiresAt)
}

// Clone makes a copy to decide a batch on. It costs a quarter of a kilobyte, and shares
// claims and what BarPlaces was told. The copy also gets the room that slices have left to
// grow, as it is mostly what goes on: the original copies them before it appends.
func (s *Seats) Clone() *Seats {
	if s.barred == nil {
		s.barred = make(map[uint64]struct{})
	}
	c := *s
	s.spent, s.remembered = slices.Clip(s.spent), slices.Clip(s.remembered)
	return &c
}

// BarPlaces makes the guard refuse these places from now on. Places that a payment
// used up are barred by its event already; these are the ones that ended in other
// ways: those whose rows say so at activation, those that the journal refused
// ([RefusedPlace]), and the place of every [EndPlace] as soon as it was decided, whether
// or not it released anything. Barring is not an event: it is told to all clones, is no
// part of a snapshot and has to be told again at activation.
func (s *Seats) BarPlaces(sequences []uint64) {
	if len(sequences) == 0 {
		return
	}
	if s.barred == nil {
		s.barred = make(map[uint64]struct{}, len(sequences))
	}
	for _, sequence := range sequences {
		s.barred[sequence] = struct{}{}
	}
	forgetOldest(s.barred, maxBarred)
}

// forgetOldest keeps the newer half of places that are more than limit.
func forgetOldest(places map[uint64]struct{}, limit int) {
	if len(places) <= limit {
		return
	}
	all := make([]uint64, 0, len(places))
	for sequence := range places {
		all = append(all, sequence)
	}
	slices.Sort(all)
	for _, sequence := range all[:len(all)-limit/2] {
		delete(places, sequence)
	}
}

// Apply changes the state by one event. An event that contradicts the state was not
// decided on it: Apply panics, for whatever comes next would be wrong.
func (s *Seats) Apply(e boxoffice.Event) {
	if err := s.apply(e); err != nil {
		panic(fmt.Sprintf("boxoffice: schedule %d: %v", s.terms.whole().ScheduleID, err))
	}
}

func (s *Seats) apply(e boxoffice.Event) error {
	if opened, ok := e.Data.(Opened); ok {
		if s.terms != nil {
			return fmt.Errorf("opened twice")
		}
		s.terms = keepTerms(opened.Terms)
		return nil
	}
	if s.terms == nil {
		return fmt.Errorf("%T before it was opened", e.Data)
	}
	done := s.effectOf(e)
	if err := s.applyToSeat(e, done.claim); err != nil {
		return err
	}
	s.changes++
	if e.OperationID != uuid.Nil {
		s.remember(e.OperationID, done)
	}
	return nil
}

// effectOf tells what an event does. It has to be asked before the event is applied.
func (s *Seats) effectOf(e boxoffice.Event) effect {
	done := effect{at: e.At}
	switch d := e.Data.(type) {
	case Held:
		done.claim = &claim{
			reservationID: d.ReservationID,
			userID:        d.UserID,
			sequence:      d.Sequence,
			seatNumber:    d.SeatNumber,
			price:         d.Price,
			createdAt:     e.At,
			expiresAt:     d.ExpiresAt,
		}
	case Confirmed:
		if held := s.claimOf(d.ReservationID); held != nil {
			sold := *held
			sold.paymentID, sold.paidAt = d.PaymentID, e.At
			done.claim = &sold
		}
	case Cancelled:
		done.claim, done.cancelled = s.claimOf(d.ReservationID), true
	}
	return done
}

// applyToSeat applies an event that makes the claim made, if any.
func (s *Seats) applyToSeat(e boxoffice.Event, made *claim) error {
	switch d := e.Data.(type) {
	case Held:
		return s.claimSeat(made)
	case Released:
		return s.free(d.SeatNumber, d.ReservationID, uuid.Nil)
	case Expired:
		if c := s.claimOf(d.ReservationID); c.held(e.At) {
			return fmt.Errorf("hold on seat %d expired at %v, before its time %v", d.SeatNumber, e.At, c.expiresAt)
		}
		return s.free(d.SeatNumber, d.ReservationID, uuid.Nil)
	case Confirmed:
		return s.applyConfirmed(d, e.At, made)
	case Cancelled:
		if d.PaymentID == uuid.Nil {
			return fmt.Errorf("cancelled a sale without payment")
		}
		return s.free(d.SeatNumber, d.ReservationID, d.PaymentID)
	default:
		return fmt.Errorf("%T is no event of a schedule", e.Data)
	}
}

func (s *Seats) applyConfirmed(d Confirmed, at time.Time, sold *claim) error {
	c := s.claimOf(d.ReservationID)
	if !c.held(at) || c.seatNumber != d.SeatNumber || d.PaymentID == uuid.Nil {
		return fmt.Errorf("confirmed seat %d without a live hold", d.SeatNumber)
	}
	index, _ := s.findSeat(c.seatNumber)
	s.claims = slices.Clone(s.claims)
	s.claims[index] = sold
	if s.spent = append(s.spent, d.Sequence); len(s.spent) > maxSpent {
		s.spent = s.spent[len(s.spent)-maxSpent:]
	}
	return nil
}

// claimSeat gives a free seat to a claim, one per user.
func (s *Seats) claimSeat(c *claim) error {
	if c.seatNumber < 1 || c.seatNumber > boxoffice.SeatCount {
		return fmt.Errorf("no seat %d", c.seatNumber)
	}
	for _, other := range s.claims {
		if other.seatNumber == c.seatNumber || other.userID == c.userID || other.reservationID == c.reservationID {
			return fmt.Errorf("claim of %v on seat %d meets that of %v on seat %d",
				c.userID, c.seatNumber, other.userID, other.seatNumber)
		}
	}
	index, _ := s.findSeat(c.seatNumber)
	s.claims = slices.Concat(s.claims[:index], []*claim{c}, s.claims[index:])
	return nil
}

// free takes a seat from the claim that has it: from a hold if paymentID is zero.
func (s *Seats) free(seatNumber int, reservationID, paymentID uuid.UUID) error {
	c := s.claimOf(reservationID)
	if c == nil || c.seatNumber != seatNumber || c.paymentID != paymentID {
		return fmt.Errorf("freed seat %d that reservation %v does not have so", seatNumber, reservationID)
	}
	index, _ := s.findSeat(seatNumber)
	s.claims = slices.Concat(s.claims[:index], s.claims[index+1:])
	return nil
}

// remember keeps the effect of an operation, and forgets the oldest ones. What is
// forgotten depends on events alone, so that a replay remembers the same.
func (s *Seats) remember(id uuid.UUID, done effect) {
	s.remembered = append(s.remembered, remembered{id: id, effect: done})
	first := max(0, len(s.remembered)-maxRemembered)
	for done.at.Sub(s.remembered[first].at) > rememberFor {
		first++
	}
	s.remembered = s.remembered[first:]
}

// recall finds the answer to an operation that had its effect already.
func (s *Seats) recall(id uuid.UUID, now time.Time) (boxoffice.Outcome, bool) {
	if id == uuid.Nil {
		return boxoffice.Outcome{}, false
	}
	for _, r := range slices.Backward(s.remembered) {
		if r.id == id && now.Sub(r.at) <= rememberFor {
			return s.outcome(r.effect), true
		}
	}
	return boxoffice.Outcome{}, false
}

// claimOf finds a claim by its reservation; nil if there is none.
func (s *Seats) claimOf(reservationID uuid.UUID) *claim {
	return s.findClaim(func(c *claim) bool { return c.reservationID == reservationID })
}

// claimBy finds what a user claims, due holds included; nil if nothing.
func (s *Seats) claimBy(userID uuid.UUID) *claim {
	return s.findClaim(func(c *claim) bool { return c.userID == userID })
}

func (s *Seats) findClaim(match func(*claim) bool) *claim {
	for _, c := range s.claims {
		if match(c) {
			return c
		}
	}
	return nil
}

// claimOn finds the claim on a seat; nil if it is free.
func (s *Seats) claimOn(seatNumber int) *claim {
	if index, claimed := s.findSeat(seatNumber); claimed {
		return s.claims[index]
	}
	return nil
}

// findSeat gives the index of a seat's claim, or where it would be.
func (s *Seats) findSeat(seatNumber int) (index int, claimed bool) {
	return slices.BinarySearchFunc(s.claims, seatNumber, func(c *claim, n int) int { return c.seatNumber - n })
}
