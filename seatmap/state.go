package seatmap

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Bounds of what is remembered of places whose tokens are refused.
const (
	// maxSpent bounds the places that payments used up, the newest kept. A schedule sells
	// 50 seats; only cancelling and selling again can get near it.
	maxSpent = 1024
	// maxLeft bounds the places that were left. Past it those whose admission is over are
	// forgotten, and then the older half: places are let in in order, so their admissions
	// end first.
	maxLeft = 1 << 17
)

// Seats is one performance: its terms and who has which of its seats. The zero value is
// a schedule before its first event. It is not safe for concurrent use.
type Seats struct {
	terms *boxoffice.Terms // nil before it was opened; never changed
	// claims are the claims on the seats that are not free, ascending by seat number.
	// Neither they nor the slice ever change; they are replaced, so that clones may share
	// both.
	claims []*claim
	// changes counts the events that changed a seat.
	changes int64
	// spent are the places that payments used up, oldest first.
	spent []uint64
	// left are the other places that have ended.
	left endedPlaces
	// at is the time of the last event.
	at time.Time
}

// claim is a user's hold on a seat or, once confirmed, ownership of it.
type claim struct {
	reservationID uuid.UUID
	operationID   uuid.UUID // of the hold
	userID        uuid.UUID
	sequence      uint64 // of the place that the hold was taken with
	seatNumber    int
	price         int64
	createdAt     time.Time
	expiresAt     time.Time // of the hold
	paymentID     uuid.UUID // zero until confirmed
	paidAt        time.Time
}

func (c *claim) confirmed() bool { return c.paymentID != uuid.Nil }

// live reports whether a claim keeps others from its seat: a hold does until its time is
// over, whether or not its end was written down.
func (c *claim) live(now time.Time) bool {
	return c != nil && (c.confirmed() || now.Before(c.expiresAt))
}

// due reports whether a claim is a hold whose time is over.
func (c *claim) due(now time.Time) bool { return c != nil && !c.live(now) }

// held reports whether a claim is a hold whose time is not over.
func (c *claim) held(now time.Time) bool {
	return c != nil && !c.confirmed() && now.Before(c.expiresAt)
}

// Clone makes a copy to decide a batch on. It is cheap: claims are shared, and so are the
// places that have ended, which [Seats.Keep] merges. Only one of the clones of a schedule
// may be kept; the others must be dropped then. The copy takes over the spare capacity of
// slices, as it usually replaces the original, which copies them before it appends.
func (s *Seats) Clone() *Seats {
	c := *s
	s.spent = slices.Clip(s.spent)
	c.left = s.left.draft()
	return &c
}

// Keep makes the changes of a clone final, once they are durable.
func (s *Seats) Keep() { s.left.merge(s.at) }

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

// findSeat returns the index of a seat's claim, or where it would be.
func (s *Seats) findSeat(seatNumber int) (index int, claimed bool) {
	return slices.BinarySearchFunc(s.claims, seatNumber, func(c *claim, n int) int { return c.seatNumber - n })
}

// claimSeat assigns a free seat to a claim; a user may have one.
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

// ended reports whether the token of a place is refused whatever its times say.
func (s *Seats) ended(sequence uint64) bool {
	return slices.Contains(s.spent, sequence) || s.left.has(sequence)
}

// endedPlaces are places that have ended, with the end of their admissions. There may be as
// many as were ever admitted at a time, so a draft does not copy them; it keeps what it
// adds in a map of its own.
type endedPlaces struct {
	kept  map[uint64]time.Time // shared by all clones; only merge changes it
	added map[uint64]time.Time // by this clone; nil: nothing
}

func (p *endedPlaces) has(sequence uint64) bool {
	if _, ok := p.added[sequence]; ok {
		return true
	}
	_, ok := p.kept[sequence]
	return ok
}

func (p *endedPlaces) add(sequence uint64, endsAt time.Time) {
	if p.added == nil {
		p.added = make(map[uint64]time.Time)
	}
	p.added[sequence] = endsAt
}

// draft returns the places for a clone.
func (p *endedPlaces) draft() endedPlaces {
	p.merge(time.Time{})
	if p.kept == nil {
		p.kept = make(map[uint64]time.Time)
	}
	return endedPlaces{kept: p.kept}
}

// merge takes over what was added.
func (p *endedPlaces) merge(now time.Time) {
	if len(p.added) == 0 {
		return
	}
	if p.kept == nil {
		p.kept = make(map[uint64]time.Time, len(p.added))
	}
	maps.Copy(p.kept, p.added)
	p.added = nil
	if len(p.kept) > maxLeft {
		for sequence, endsAt := range p.kept {
			if !now.Before(endsAt) {
				delete(p.kept, sequence)
			}
		}
		forgetOldest(p.kept, maxLeft)
	}
}

// since returns the places whose admissions are not over at now, in order.
func (p *endedPlaces) since(now time.Time) []boxoffice.EndedPlace {
	var places []boxoffice.EndedPlace
	for _, all := range []map[uint64]time.Time{p.kept, p.added} {
		for sequence, endsAt := range all {
			if now.Before(endsAt) {
				places = append(places, boxoffice.EndedPlace{Sequence: sequence, EndsAt: endsAt})
			}
		}
	}
	slices.SortFunc(places, func(a, b boxoffice.EndedPlace) int { return int(int64(a.Sequence) - int64(b.Sequence)) })
	return places
}

// forgetOldest drops the older half of places if there are more than limit.
func forgetOldest[T any](places map[uint64]T, limit int) {
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
