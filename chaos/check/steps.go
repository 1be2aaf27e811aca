package check

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/chaos/history"
)

// seatID and buyerID name the claims: each seat is one, and so is what each user has of
// each schedule. An answer is a step of one or of both.
type (
	seatID struct {
		scheduleID int64
		seatNumber int
	}
	buyerID struct {
		scheduleID int64
		userID     uuid.UUID
	}
)

func (s seatID) String() string {
	return fmt.Sprintf("seat %d of schedule %d", s.seatNumber, s.scheduleID)
}

func (b buyerID) String() string {
	return fmt.Sprintf("user %s at schedule %d", b.userID, b.scheduleID)
}

// steps are the steps of every claim.
type steps struct {
	seats  map[seatID][]step
	buyers map[buyerID][]step
	facts  facts
	// ever are the seats that were ever held, by schedule, in order.
	ever map[int64][]int
}

func claimSteps(f facts, effects []Effect) steps {
	s := steps{
		seats:  make(map[seatID][]step),
		buyers: make(map[buyerID][]step),
		facts:  f,
		ever:   make(map[int64][]int),
	}
	for _, h := range f.held {
		if !slices.Contains(s.ever[h.scheduleID], h.seatNumber) {
			s.ever[h.scheduleID] = append(s.ever[h.scheduleID], h.seatNumber)
		}
	}
	for i := range effects {
		s.add(&effects[i])
	}
	return s
}

// add adds what one effect implies for the claims.
func (s *steps) add(f *Effect) {
	request := f.Request
	switch f.Kind {
	case history.Hold:
		s.addHold(f)
	case history.Leave:
		s.addLeave(f)
	case history.Release:
		s.both(f, request.ReservationID, f.demand(release, answers{boxoffice.CodeAlreadyPaid: meetsSold}))
	case history.Pay:
		s.both(f, request.ReservationID, f.demand(pay, answers{
			boxoffice.CodeInsufficientPoints: meetsHeld,
			boxoffice.CodeAlreadyPaid:        meetsSold,
			boxoffice.CodeHoldExpired:        meetsGone,
		}))
	case history.Cancel:
		s.both(f, s.facts.payments[request.PaymentID], f.demand(cancel, answers{
			boxoffice.CodeAlreadyCancelled: meetsUnsold,
		}))
	case history.Reservation:
		s.addRead(f, request.ReservationID, f.Answer.Word())
	case history.MyHolds:
		for _, item := range f.Answer.Items {
			s.addRead(f, item.ReservationID, item.Status)
		}
	case history.Payment:
		if f.OK && f.Answer.Word() == string(boxoffice.PaymentCancelled) {
			s.both(f, s.facts.payments[request.PaymentID], meetsUnsold)
		} else if f.OK {
			s.both(f, s.facts.payments[request.PaymentID], meetsSold)
		}
	}
}

// answers are what refusals demand of a claim; the others demand nothing.
type answers map[boxoffice.Code]demand

// demand is what the effect's answer demands; empty where it says nothing of a claim.
func (f *Effect) demand(success demand, refusals answers) demand {
	if f.OK {
		return success
	}
	return refusals[boxoffice.Code(f.Code)]
}

// both adds a step to the seat and to the buyer of a reservation. One that nobody made
// is a violation of its own.
func (s *steps) both(f *Effect, reservation uuid.UUID, d demand) {
	h, known := s.facts.held[reservation]
	if !known || d == "" {
		return
	}
	made := step{demand: d, reservation: reservation, expires: h.expires, call: f.Call, end: f.Return, effect: f}
	s.addToSeat(seatID{h.scheduleID, h.seatNumber}, made)
	s.addToBuyer(buyerID{h.scheduleID, h.userID}, made)
}

func (s *steps) addToSeat(id seatID, made step)   { s.seats[id] = append(s.seats[id], made) }
func (s *steps) addToBuyer(id buyerID, made step) { s.buyers[id] = append(s.buyers[id], made) }

func (s *steps) addRead(f *Effect, reservation uuid.UUID, status string) {
	if !f.OK {
		return
	}
	switch boxoffice.ReservationStatus(status) {
	case boxoffice.ReservationHeld:
		s.both(f, reservation, meetsHeld)
	case boxoffice.ReservationConfirmed:
		s.both(f, reservation, meetsSold)
	default:
		s.both(f, reservation, meetsGone)
	}
}

// addLeave: who left holds nothing any more with the place that they left.
func (s *steps) addLeave(f *Effect) {
	if !f.OK {
		return
	}
	for id, h := range s.facts.held {
		if h.scheduleID == f.Request.Place.ScheduleID && h.sequence == f.Request.Place.Sequence {
			s.both(f, id, leave)
		}
	}
}

func (s *steps) addHold(f *Effect) {
	if f.OK {
		d := sameHold
		if f.Created {
			d = createHold
		}
		s.both(f, f.Answer.ReservationID, d)
		return
	}
	buyer := buyerID{f.Request.ScheduleID, f.Request.UserID}
	made := step{call: f.Call, end: f.Return, effect: f}
	switch boxoffice.Code(f.Code) {
	case boxoffice.CodeAlreadyReserved:
		made.demand = meetsLive
		s.addToBuyer(buyer, made)
	case boxoffice.CodeSeatTaken:
		made.demand = meetsNone
		s.addToBuyer(buyer, made) // else it would have been already-reserved
		for _, number := range s.ever[f.Request.ScheduleID] {
			made.demand = meetsLive
			if slices.Contains(f.Answer.AvailableSeats, number) {
				made.demand = meetsNone
			}
			s.addToSeat(seatID{f.Request.ScheduleID, number}, made)
		}
	}
}
