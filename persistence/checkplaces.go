package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
	"boxoffice/waitingroom"
)

// placeCheck is the row of a place, as far as the room's events say what it is.
type placeCheck struct {
	waitingroom.PlaceRecord
	ended bool
}

// checkPlaces checks that the rows of a waiting room's places are what its events make.
func checkPlaces(ctx context.Context, tx pgx.Tx, g takenGrain, events []boxoffice.Event) ([]Violation, error) {
	const invariant = "places are what the events make"
	room, err := waitingroom.Replay(waitingroom.Limits{}, events)
	if err != nil {
		return []Violation{{invariant, err.Error()}}, nil //nolint:nilerr // the error is the violation
	}
	made := make(map[uint64]waitingroom.PlaceRecord)
	for place := range room.Places() {
		made[place.Sequence] = place
	}
	owed, err := selectOwed(ctx, tx, g)
	if err != nil {
		return nil, err
	}
	var violations []Violation
	violated := func(format string, args ...any) {
		if len(violations) < maxViolations {
			violations = append(violations, Violation{invariant, fmt.Sprintf(format, args...)})
		}
	}
	err = eachPlace(ctx, tx, g.grain.ID, func(row placeCheck) {
		place, live := made[row.Sequence]
		delete(made, row.Sequence)
		switch {
		case row.Sequence >= room.NextSequence():
			violated("row %+v, but the next to join is %d", row, room.NextSequence())
		case row.ended && live && !(row.Status == boxoffice.PlaceCompleted && owed[row.Sequence]):
			violated("row %+v, events make %+v", row, place)
		case !row.ended && !live:
			violated("row %+v, but its events have ended it", row)
		case !row.ended && row.PlaceRecord != place:
			violated("row %+v, events make %+v", row, place)
		}
	})
	for _, place := range made {
		violated("%+v has no row", place)
	}
	return violations, err
}

// eachPlace reads the rows of the places of a schedule, without their holds.
func eachPlace(ctx context.Context, tx pgx.Tx, scheduleID int64, each func(placeCheck)) error {
	rows, err := tx.Query(ctx, `
		SELECT sequence, user_id, operation_id, status, joined_at, admitted_at, ends_at, claimed, ended_at IS NOT NULL
		FROM queue_places WHERE schedule_id = $1`, scheduleID)
	if err != nil {
		return err
	}
	var row placeCheck
	var operationID *uuid.UUID
	var admittedAt, endsAt *time.Time
	columns := []any{
		&row.Sequence, &row.UserID, &operationID, &row.Status, &row.JoinedAt, &admittedAt, &endsAt, &row.Claimed, &row.ended,
	}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		row.OperationID, row.AdmittedAt, row.EndsAt = valueOf(operationID), valueOf(admittedAt), valueOf(endsAt)
		each(row)
		return nil
	})
	return err
}

// selectOwed returns the places that payments used up and whose ends the events of the
// waiting room may not tell yet: its snapshot says up to which version of the schedule's
// journal they do.
func selectOwed(ctx context.Context, tx pgx.Tx, g takenGrain) (map[uint64]bool, error) {
	var told int64
	if g.snapshot != nil {
		// One that cannot be read is a violation of its own.
		if room, err := waitingroom.Restore(waitingroom.Limits{}, g.snapshot, nil); err == nil {
			told = room.KnownVersion()
		}
	}
	rows, err := tx.Query(ctx, `
		SELECT (data ->> 'sequence')::bigint FROM events
		WHERE kind = $1 AND id = $2 AND version > $3 AND type = 'seat-confirmed'`,
		boxoffice.KindSchedule, g.grain.ID, told)
	if err != nil {
		return nil, err
	}
	owed := make(map[uint64]bool)
	var sequence uint64
	_, err = pgx.ForEachRow(rows, []any{&sequence}, func() error {
		owed[sequence] = true
		return nil
	})
	return owed, err
}
