package persistence

import (
	"fmt"
	"sort"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// changes are the rows that one commit implies, folded (a row that several of its events
// touch appears once, as it is to be in the end), or those of a group.
type changes struct {
	scheduleID   int64 // of the commit
	confirmed    []grainRow
	fenced       []grainRow
	events       []eventRow
	reservations []reservationRow
	joined       []placeRow // new places, by ascending sequence
	places       []placeRow // changes of places, by ascending sequence
	movements    []movementRow
	answers      []answerRow
	users        []userRow
}

// changesOf returns the rows that a commit implies. It fails on events that cannot be
// stored, which is a bug of the caller.
func changesOf(c boxoffice.Commit) (*changes, error) {
	rows := &changes{scheduleID: c.Grain.ID, events: make([]eventRow, 0, len(c.Events))}
	for i, e := range c.Events {
		eventType, data, err := boxoffice.EncodeEvent(e)
		if err != nil {
			return nil, err
		}
		rows.events = append(rows.events, eventRow{
			Kind: c.Grain.Kind, ID: c.Grain.ID, Version: c.Version + int64(i) + 1, Epoch: c.Epoch,
			Type: eventType, OperationID: e.OperationID, Data: data, At: e.At,
		})
		if err := rows.project(e); err != nil {
			return nil, fmt.Errorf("project event %q: %w", eventType, err)
		}
	}
	rows.places = foldPlaces(rows.places)
	for _, a := range c.Answers {
		if a.Key.IsZero() {
			return nil, fmt.Errorf("answer to operation %v has no idempotency key", a.OperationID)
		}
		row, err := newAnswer(a, rows.movements)
		if err != nil {
			return nil, fmt.Errorf("answer to operation %v: %w", a.OperationID, err)
		}
		rows.answers = append(rows.answers, row)
	}
	grain := grainRow{
		Kind: c.Grain.Kind, ID: c.Grain.ID, Epoch: c.Epoch, Version: c.Version, Next: c.Version + int64(len(c.Events)),
	}
	if len(c.Events) == 0 && len(c.Answers) == 0 && c.Snapshot == nil {
		rows.confirmed = []grainRow{grain} // the commit asks whether its epoch is still the newest
		return rows, nil
	}
	if c.Snapshot != nil {
		grain.Snapshot, grain.Checksum = c.Snapshot, checksumOf(c.Snapshot)
	}
	rows.fenced = []grainRow{grain}
	return rows, nil
}

// size returns roughly how many rows there are, by which groups are bounded.
func (r *changes) size() int {
	return 1 + len(r.events) + len(r.reservations) + len(r.joined) + len(r.places) + 4*len(r.movements) +
		len(r.answers) + 2*len(r.users)
}

// gather returns the rows of the commits of a group, in their order.
func gather(group []*pending) *changes {
	if len(group) == 1 {
		return group[0].rows
	}
	all := new(changes)
	for _, p := range group {
		all.confirmed = append(all.confirmed, p.rows.confirmed...)
		all.fenced = append(all.fenced, p.rows.fenced...)
		all.events = append(all.events, p.rows.events...)
		all.reservations = append(all.reservations, p.rows.reservations...)
		all.joined = append(all.joined, p.rows.joined...)
		all.places = append(all.places, p.rows.places...)
		all.movements = append(all.movements, p.rows.movements...)
		all.answers = append(all.answers, p.rows.answers...)
		all.users = append(all.users, p.rows.users...)
	}
	return all
}

// project folds one event into the rows.
func (r *changes) project(e boxoffice.Event) error {
	switch d := e.Data.(type) {
	case seatmap.Opened, seatmap.PlaceEnded, waitingroom.Opened, waitingroom.Configured:
		return nil // state of the grain alone: no rows
	case seatmap.Held:
		r.hold(e, d)
		return nil
	case seatmap.Released:
		r.endHold(d.Sequence)
		return r.end(d.ReservationID, boxoffice.ReservationHeld, boxoffice.ReservationReleased, e.At)
	case seatmap.Expired:
		r.endHold(d.Sequence)
		return r.end(d.ReservationID, boxoffice.ReservationHeld, boxoffice.ReservationExpired, e.At)
	case seatmap.Confirmed:
		r.changePlace(endOfPlace(d.Sequence, boxoffice.PlaceCompleted, e.At))
		if err := r.end(d.ReservationID, boxoffice.ReservationHeld, boxoffice.ReservationConfirmed, time.Time{}); err != nil {
			return err
		}
		return r.move(e, movementRow{
			Type: boxoffice.EntryPayment, Amount: -d.Amount, PaymentID: d.PaymentID, ReservationID: d.ReservationID,
			userID: d.UserID,
		})
	case seatmap.Cancelled:
		if err := r.end(d.ReservationID, boxoffice.ReservationConfirmed, boxoffice.ReservationCancelled, e.At); err != nil {
			return err
		}
		return r.move(e, movementRow{
			Type: boxoffice.EntryRefund, Amount: d.Amount, PaymentID: d.PaymentID, ReservationID: d.ReservationID,
			userID: d.UserID,
		})
	default:
		return r.projectQueue(e)
	}
}

func (r *changes) hold(e boxoffice.Event, d seatmap.Held) {
	r.reservations = append(r.reservations, reservationRow{
		ID: d.ReservationID, ScheduleID: r.scheduleID, SeatNumber: int16(d.SeatNumber), UserID: d.UserID,
		Status: boxoffice.ReservationHeld, Price: d.Price, CreatedAt: e.At, ExpiresAt: d.ExpiresAt,
	})
	r.changePlace(placeRow{
		Sequence: d.Sequence, Rule: ruleHold, UserID: d.UserID, OperationID: e.OperationID,
		SetsHold: true, HeldUntil: d.ExpiresAt,
	})
}

func (r *changes) endHold(sequence uint64) {
	r.changePlace(placeRow{Sequence: sequence, Rule: ruleLive, SetsHold: true})
}

// end moves a reservation from one status to another. endedAt is zero if it stays live.
func (r *changes) end(id uuid.UUID, from, to boxoffice.ReservationStatus, endedAt time.Time) error {
	for i := len(r.reservations) - 1; i >= 0; i-- {
		c := &r.reservations[i]
		if c.ID != id {
			continue
		}
		if c.Status != from {
			return fmt.Errorf("reservation %v is %s, not %s", id, c.Status, from)
		}
		c.Status, c.ExpiresAt, c.EndedAt = to, time.Time{}, endedAt
		return nil
	}
	r.reservations = append(r.reservations, reservationRow{
		ID: id, ScheduleID: r.scheduleID, Before: from, Status: to, EndedAt: endedAt,
	})
	return nil
}

func (r *changes) move(e boxoffice.Event, m movementRow) (err error) {
	if m.TransactionID, err = uuid.NewV7(); err != nil {
		return fmt.Errorf("make the id of a ledger transaction: %w", err)
	}
	m.SystemAccount, m.At, m.operationID = accountSales, e.At, e.OperationID
	r.movements = append(r.movements, m)
	return nil
}

// projectQueue folds one event of a waiting room.
func (r *changes) projectQueue(e boxoffice.Event) error {
	switch d := e.Data.(type) {
	case waitingroom.Joined:
		if n := len(r.joined); n > 0 && r.joined[n-1].Sequence >= d.First {
			return fmt.Errorf("sequence %d follows %d", d.First, r.joined[n-1].Sequence)
		}
		for i, userID := range d.UserIDs {
			place := placeRow{
				ScheduleID: r.scheduleID, Sequence: d.First + uint64(i), UserID: userID,
				Status: boxoffice.PlaceWaiting, JoinedAt: e.At,
			}
			if i < len(d.OperationIDs) {
				place.OperationID = d.OperationIDs[i]
			}
			r.joined = append(r.joined, place)
		}
	case waitingroom.Admitted:
		for _, sequence := range d.Sequences {
			r.changePlace(placeRow{
				Sequence: sequence, Rule: ruleAdmit, Status: boxoffice.PlaceAdmitted,
				AdmittedAt: e.At, EndsAt: d.EndsAt, Claimed: d.Claimed,
			})
		}
	case waitingroom.Claimed:
		for _, sequence := range d.Sequences {
			r.changePlace(placeRow{Sequence: sequence, Rule: ruleAdmitted, Claimed: true})
		}
	case waitingroom.Ended:
		if d.Status == boxoffice.PlaceCompleted {
			return nil // learned from the payment, whose commit ended the row
		}
		for _, sequence := range d.Sequences {
			r.changePlace(endOfPlace(sequence, d.Status, e.At))
		}
	default:
		return fmt.Errorf("%T is not known to the journal", d)
	}
	return nil
}

// changePlace changes a place, which may be one that joins in this commit.
func (r *changes) changePlace(c placeRow) {
	c.ScheduleID = r.scheduleID
	i := sort.Search(len(r.joined), func(i int) bool { return r.joined[i].Sequence >= c.Sequence })
	if i < len(r.joined) && r.joined[i].Sequence == c.Sequence {
		r.joined[i].then(c)
		return
	}
	r.places = append(r.places, c)
}
