package waitingroom_test

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/waitingroom"
)

// The waiting room against a model that is too dumb to be wrong: a list of every place
// that ever was, searched from the start for every question.

type modelPlace struct {
	waitingroom.PlaceRecord // HeldUntil is what the room has heard

	ended bool // by an event
}

type roomModel struct {
	limits    waitingroom.Limits
	places    []*modelPlace // place n is at index n-1
	capacity  int
	perSecond int
	paused    bool
	settled   map[uint64]bool // the completed ends that were events

	// What follows was heard. It is not taken back.
	known     int64
	soldOut   bool
	completed map[uint64]bool
}

// clone copies what can be taken back.
func (m *roomModel) clone() roomModel {
	c := *m
	c.settled = maps.Clone(m.settled)
	c.places = nil
	for _, p := range m.places {
		place := *p
		c.places = append(c.places, &place)
	}
	return c
}

// takeBack makes the model what it was, but for what it heard since.
func (m *roomModel) takeBack(before roomModel) {
	before.known, before.soldOut, before.completed = m.known, m.soldOut, m.completed
	for i, p := range before.places {
		p.HeldUntil = m.places[i].HeldUntil
	}
	*m = before
}

// deadline is when an admitted place is over. Everybody asks every second here.
func (m *roomModel) deadline(p *modelPlace) time.Time {
	if !p.Claimed && p.HeldUntil.IsZero() {
		return earliest(p.AdmittedAt.Add(time.Second+m.limits.ClaimTTL), p.EndsAt)
	}
	if p.HeldUntil.After(p.EndsAt) {
		return p.HeldUntil
	}
	return p.EndsAt
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// owed lists the completed ends that are not events yet.
func (m *roomModel) owed() []uint64 {
	var owed []uint64
	for _, sequence := range slices.Sorted(maps.Keys(m.completed)) {
		if !m.settled[sequence] {
			owed = append(owed, sequence)
		}
	}
	return owed
}

// live lists places that no event has ended.
func (m *roomModel) live(status boxoffice.PlaceStatus) []*modelPlace {
	var live []*modelPlace
	for _, p := range m.places {
		if !p.ended && p.Status == status {
			live = append(live, p)
		}
	}
	return live
}

func (m *roomModel) onSale(now time.Time) bool {
	return !now.Before(at(0)) && now.Before(at(2*time.Hour))
}

// over reports whether a place has ended, event or not.
func (m *roomModel) over(p *modelPlace, now time.Time) bool {
	if p.Status == boxoffice.PlaceWaiting {
		return p.ended || !now.Before(at(2*time.Hour))
	}
	return p.ended || m.completed[p.Sequence] || !now.Before(m.deadline(p))
}

// of finds the live place of a user.
func (m *roomModel) of(userID uuid.UUID, now time.Time) *modelPlace {
	for _, p := range m.places {
		if p.UserID == userID && !m.over(p, now) {
			return p
		}
	}
	return nil
}

// due lists what is to expire.
func (m *roomModel) due(now time.Time) []uint64 {
	var due []uint64
	for _, p := range m.places {
		if !p.ended && !m.completed[p.Sequence] && m.over(p, now) {
			due = append(due, p.Sequence)
		}
	}
	return due
}

// end ends places by an event.
func (m *roomModel) end(status boxoffice.PlaceStatus, sequences ...uint64) {
	for _, sequence := range sequences {
		m.places[sequence-1].ended = true
		if status == boxoffice.PlaceCompleted {
			m.settled[sequence] = true
		}
	}
}

// admit lets in one place after the other while that is allowed.
func (m *roomModel) admit(now time.Time) (sequences []uint64) {
	for {
		waiting := m.live(boxoffice.PlaceWaiting)
		inSpan := 0
		for _, p := range m.places {
			if !p.AdmittedAt.IsZero() && now.Sub(p.AdmittedAt) <= time.Second {
				inSpan++
			}
		}
		if len(waiting) == 0 || m.paused || m.soldOut || !m.onSale(now) ||
			len(m.live(boxoffice.PlaceAdmitted)) >= m.capacity || m.perSecond > 0 && inSpan >= m.perSecond {
			return sequences
		}
		p := waiting[0]
		p.Status, p.AdmittedAt, p.EndsAt = boxoffice.PlaceAdmitted, now, now.Add(m.limits.AdmissionTTL)
		sequences = append(sequences, p.Sequence)
	}
}

// modelSchedule is the other journal: what has become of places at each of its versions.
type modelSchedule struct {
	version   int64
	soldOut   bool
	changed   map[uint64]int64 // when something happened to a place last
	heldUntil map[uint64]time.Time
	completed map[uint64]bool
}

// hold holds a seat with a place, or releases it if until is zero.
func (s *modelSchedule) hold(sequence uint64, until time.Time) {
	if s.completed[sequence] {
		return
	}
	s.version++
	s.changed[sequence], s.heldUntil[sequence] = s.version, until
}

// complete uses a place up.
func (s *modelSchedule) complete(sequence uint64) {
	s.hold(sequence, time.Time{})
	s.completed[sequence] = true
}

// news is what happened after a version.
func (s *modelSchedule) news(after int64) boxoffice.ScheduleNews {
	news := boxoffice.ScheduleNews{After: after, Version: s.version, AvailableSeats: 3, SoldOut: s.soldOut}
	for _, sequence := range slices.Sorted(maps.Keys(s.changed)) {
		if s.changed[sequence] > after {
			news.Places = append(news.Places, boxoffice.PlaceNews{
				Sequence: sequence, Completed: s.completed[sequence], HeldUntil: s.heldUntil[sequence],
			})
		}
	}
	return news
}

// row is what the row of a place says, as a schedule writes to it.
func (s *modelSchedule) row(sequence uint64) boxoffice.PlaceRow {
	row := boxoffice.PlaceRow{Sequence: sequence, Status: boxoffice.PlaceAdmitted, HeldUntil: s.heldUntil[sequence]}
	if s.completed[sequence] {
		row.Status = boxoffice.PlaceCompleted
	}
	return row
}
