package waitingroom_test

import (
	"time"

	"github.com/google/uuid"

	"boxoffice"

	"boxoffice/waitingroom"
)

// The waiting room against a model that is too dumb to be wrong: a list of every place
// that ever was, searched from the start for every question.

type modelPlace struct {
	waitingroom.PlaceRecord
	ended bool
}

type roomModel struct {
	limits    waitingroom.Limits
	places    []*modelPlace // place n is at index n-1
	capacity  int
	perSecond int
	paused    bool
	soldOut   bool
}

// deadline is when an admitted place is over.
func (m *roomModel) deadline(p *modelPlace) time.Time {
	if !p.Claimed && p.HeldUntil.IsZero() {
		return earliest(p.AdmittedAt.Add(m.limits.ClaimTTL), p.EndsAt)
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

// of finds the live place of a user.
func (m *roomModel) of(userID uuid.UUID, now time.Time) *modelPlace {
	for _, p := range m.places {
		over := p.Status == boxoffice.PlaceWaiting && !now.Before(at(2*time.Hour))
		if p.UserID == userID && !p.ended && !over {
			return p
		}
	}
	return nil
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
