package persistence

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// placeRow is a new place in line, or a change of one; there zero values leave a column
// as it is.
type placeRow struct {
	ScheduleID  int64                 `db:"schedule_id"`
	Sequence    uint64                `db:"sequence"`
	Rule        placeRule             `db:"rule"`
	Required    bool                  `db:"required"`
	UserID      uuid.UUID             `db:"user_id"`      // of a hold, and of new places
	OperationID uuid.UUID             `db:"operation_id"` // of a hold or a join
	Status      boxoffice.PlaceStatus `db:"status"`
	Claimed     bool                  `db:"claimed"`
	JoinedAt    time.Time             `db:"joined_at"`
	AdmittedAt  time.Time             `db:"admitted_at"`
	EndsAt      time.Time             `db:"ends_at"`
	SetsHold    bool                  `db:"sets_hold"`
	HeldUntil   time.Time             `db:"held_until"` // if SetsHold; zero: no hold
	EndedAt     time.Time             `db:"ended_at"`
}

// placeRule is what the row of a place must say for a change of it to be made.
type placeRule string

// The rules. A change that is required and cannot be made stops its commit; one that is
// not has come too late, and whatever the row says stays.
const (
	ruleLive     placeRule = "live"     // has not ended
	ruleAdmitted placeRule = "admitted" // is admitted
	ruleHold     placeRule = "hold"     // is admitted, of the user; required
	ruleExpire   placeRule = "expire"   // waits, or is admitted without a live hold; required
	ruleAdmit    placeRule = "admit"    // waits; required
)

func (r placeRule) required() bool { return r == ruleHold || r == ruleExpire || r == ruleAdmit }

type placeStatements struct {
	changePlaces, insertPlaces *statement
	lockPlaces                 [lockings]*statement
}

// newPlaceStatements makes what changes places under their rules. That a row must be live
// stands inside the CASE, where the planner cannot take it for a reason to use another
// index than the primary key.
func newPlaceStatements() placeStatements {
	return placeStatements{
		changePlaces: newStatement("change places", `
			WITH changed AS (
				UPDATE queue_places p
				SET status      = coalesce(c.status, p.status),
				    claimed     = p.claimed OR c.claimed,
				    admitted_at = coalesce(c.admitted_at, p.admitted_at),
				    ends_at     = coalesce(c.ends_at, p.ends_at),
				    held_until  = CASE WHEN c.sets_hold THEN c.held_until ELSE p.held_until END,
				    ended_at    = c.ended_at
				FROM {places} AS c
				WHERE p.schedule_id = c.schedule_id AND p.sequence = c.sequence AND CASE
					WHEN p.ended_at IS NOT NULL THEN false
					WHEN c.rule = 'hold' THEN p.status = 'admitted' AND p.user_id = c.user_id
					WHEN c.rule = 'admitted' THEN p.status = 'admitted'
					WHEN c.rule = 'expire' THEN p.held_until IS NULL OR p.held_until <= c.ended_at
					WHEN c.rule = 'admit' THEN p.status = 'waiting'
					ELSE true END
				RETURNING c.required
			)
			SELECT expect_rows((SELECT count(*) FROM changed WHERE required),
				(SELECT count(*) FROM unnest({places.required}) AS required WHERE required), 'places')`,
			rowsOf[placeRow]("places")),
		insertPlaces: newStatement("insert places", `
			INSERT INTO queue_places
				(schedule_id, sequence, user_id, operation_id, status, claimed, joined_at, admitted_at, ends_at, ended_at)
			SELECT c.schedule_id, c.sequence, c.user_id, c.operation_id, c.status, c.claimed, c.joined_at,
				c.admitted_at, c.ends_at, c.ended_at
			FROM {places} AS c`,
			rowsOf[placeRow]("places")),
		lockPlaces: lockStatement("lock places", `
			SELECT p.schedule_id, p.sequence, p.status, p.user_id, p.held_until
			FROM {places} AS c
			JOIN queue_places p ON p.schedule_id = c.schedule_id AND p.sequence = c.sequence
			FOR NO KEY UPDATE OF p`, rowsOf[placeKey]("places")),
	}
}

// write queues changes before new places: somebody who has left may join again in the
// same commit.
func (s *placeStatements) write(ctx context.Context, b *batch, c *changes) {
	runAll(ctx, b, s.changePlaces, c.places)
	runAll(ctx, b, s.insertPlaces, c.joined)
}

type placeKey struct {
	ScheduleID int64  `db:"schedule_id"`
	Sequence   uint64 `db:"sequence"`
}

func (p *placeRow) key() placeKey { return placeKey{p.ScheduleID, p.Sequence} }

// lockedPlace is what the row of a place says.
type lockedPlace struct {
	ScheduleID int64
	Sequence   uint64
	Status     boxoffice.PlaceStatus
	UserID     uuid.UUID
	HeldUntil  *time.Time
}

func (s *placeStatements) lock(ctx context.Context, b *batch, c *changes, how locking, each func(lockedPlace)) {
	if len(c.places) == 0 {
		return
	}
	keys := make([]placeKey, len(c.places))
	for i := range c.places {
		keys[i] = c.places[i].key()
	}
	b.run(ctx, s.lockPlaces[how], keys)
	collect(b, each)
}

// endOfPlace is the end of a place.
func endOfPlace(sequence uint64, status boxoffice.PlaceStatus, at time.Time) placeRow {
	c := placeRow{Sequence: sequence, Status: status, SetsHold: true, EndedAt: at}
	switch status {
	case boxoffice.PlaceExpired:
		c.Rule = ruleExpire
	case boxoffice.PlaceCompleted:
		c.Rule = ruleAdmitted
	default:
		c.Rule = ruleLive
	}
	return c
}

// then makes of a change the change followed by next. What comes after the end of a
// place is dropped.
func (p *placeRow) then(next placeRow) {
	if !p.EndedAt.IsZero() {
		return
	}
	if next.Rule.required() && !p.Rule.required() && p.Rule != "" {
		p.Rule, p.UserID, p.OperationID = next.Rule, cmp.Or(p.UserID, next.UserID), next.OperationID
	}
	p.Status = cmp.Or(next.Status, p.Status)
	p.Claimed = p.Claimed || next.Claimed
	if !next.AdmittedAt.IsZero() {
		p.AdmittedAt, p.EndsAt = next.AdmittedAt, next.EndsAt
	}
	if next.SetsHold {
		p.SetsHold, p.HeldUntil = true, next.HeldUntil
	}
	p.EndedAt = next.EndedAt
}

// foldPlaces sorts changes by place and leaves one for each.
func foldPlaces(changes []placeRow) []placeRow {
	slices.SortStableFunc(changes, func(a, b placeRow) int { return cmp.Compare(a.Sequence, b.Sequence) })
	folded := changes[:0]
	for _, c := range changes {
		if n := len(folded); n > 0 && folded[n-1].Sequence == c.Sequence {
			folded[n-1].then(c)
			continue
		}
		folded = append(folded, c)
	}
	for i := range folded {
		folded[i].Required = folded[i].Rule.required()
	}
	return folded
}
