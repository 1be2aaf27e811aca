package persistence

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
	"boxoffice/internal/failpoint"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// roomLoadTimeout bounds the statements that read a waiting room: a million rows take
// longer than any other statement may.
const roomLoadTimeout = 30 * time.Second

// barMargin is how long after its end an admission is still remembered and refused: a
// grain's clock may be behind the database's by less than this.
const barMargin = time.Minute

// ActivateSchedule takes a new epoch of a schedule's grain for owner, which fences every
// older activation, and restores the schedule. It waits, a second at most, for a commit of
// the old owner that is under way, which is then part of what is restored. ended are the
// places whose rows have ended while their tokens would still be valid. The error wraps
// boxoffice.ErrNoGrain if there is no such schedule.
func (j *Journal) ActivateSchedule(
	ctx context.Context, id int64, owner string,
) (activation boxoffice.Activation, schedule *seatmap.Seats, ended []boxoffice.EndedPlace, err error) {
	grain := boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: id}
	err = j.activate(ctx, grain, owner, func(tx pgx.Tx, taken takenGrain) error {
		activation = taken.Activation
		if schedule, err = restore(ctx, j, tx, taken, seatmap.Restore); err != nil {
			return err
		}
		ended, err = selectEndedPlaces(ctx, tx, id)
		return err
	})
	if err != nil {
		return boxoffice.Activation{}, nil, nil, err
	}
	return activation, schedule, ended, nil
}

// ActivateWaitingRoom does the same for the waiting room of a schedule, from its snapshot
// and the rows of its live places. The news are what the schedule did since the room last
// heard of it, read after the rows: a payment in between ends a place that was restored. The
// other way round the room would not know of the end, and let the buyer join again without
// an event of it.
func (j *Journal) ActivateWaitingRoom(
	ctx context.Context, id int64, owner string, limits waitingroom.Limits,
) (activation boxoffice.Activation, room *waitingroom.Room, news boxoffice.ScheduleNews, err error) {
	grain := boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: id}
	err = j.activate(ctx, grain, owner, func(tx pgx.Tx, taken takenGrain) error {
		activation = taken.Activation
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = "+milliseconds(roomLoadTimeout)); err != nil {
			return err
		}
		room, err = restore(ctx, j, tx, taken, func(snapshot []byte, events []boxoffice.Event) (*waitingroom.Room, error) {
			return waitingroom.Restore(limits, snapshot, events)
		})
		if err != nil {
			return err
		}
		room.ScheduleID = id
		if err := restorePlaces(ctx, tx, id, room); err != nil {
			return err
		}
		if err := restoreAdmissions(ctx, tx, id, room); err != nil {
			return err
		}
		news, err = selectNews(ctx, tx, id, room.KnownVersion())
		return err
	})
	if err != nil {
		return boxoffice.Activation{}, nil, boxoffice.ScheduleNews{}, err
	}
	return activation, room, news, nil
}

// takenGrain is a grain under its new epoch.
type takenGrain struct {
	boxoffice.Activation
	grain    boxoffice.Grain
	snapshot []byte // nil: none
	checksum *int64
}

// activate takes a new epoch and calls load in the same transaction. The update waits
// for whoever has locked the grain's row, so what load reads is all that was ever
// committed under older epochs.
func (j *Journal) activate(
	ctx context.Context, grain boxoffice.Grain, owner string, load func(pgx.Tx, takenGrain) error,
) error {
	what := fmt.Sprintf("activate %s %d", grain.Kind, grain.ID)
	select {
	case j.db.activations <- struct{}{}:
		defer func() { <-j.db.activations }()
	case <-ctx.Done():
		return failure(what, ctx.Err())
	}
	// What load reads may take long; that it begins may not.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(answerTimeout, cancel)
	defer late.Stop()
	err := j.db.transaction(ctx, func(tx pgx.Tx) error {
		taken := takenGrain{grain: grain}
		err := tx.QueryRow(ctx, `
			UPDATE grains SET epoch = epoch + 1, owner = $3
			WHERE kind = $1 AND id = $2
			RETURNING epoch, version, snapshot_version, snapshot, snapshot_checksum`,
			grain.Kind, grain.ID, owner,
		).Scan(&taken.Epoch, &taken.Version, &taken.SnapshotVersion, &taken.snapshot, &taken.checksum)
		if errors.Is(err, pgx.ErrNoRows) {
			return boxoffice.ErrNoGrain
		}
		if err != nil {
			return err
		}
		late.Stop()
		failpoint.Hit(failpoint.Activation)
		return load(tx, taken)
	})
	return failure(what, err)
}

// restore returns the state by its snapshot and the events after it, or by all events if
// the snapshot is damaged or cannot be read.
func restore[S any](
	ctx context.Context, j *Journal, tx pgx.Tx, taken takenGrain,
	rebuild func(snapshot []byte, events []boxoffice.Event) (S, error),
) (S, error) {
	if taken.snapshot != nil {
		state, err := restoreFromSnapshot(ctx, tx, taken, rebuild)
		if !errors.Is(err, errBadSnapshot) {
			return state, err
		}
		j.config.Logger.Error("snapshot is not usable; all events are replayed",
			"kind", taken.grain.Kind, "id", taken.grain.ID, "version", taken.SnapshotVersion, "error", err)
	}
	events, err := selectEvents(ctx, tx, taken.grain, 0, taken.Version)
	if err != nil {
		var none S
		return none, err
	}
	return rebuild(nil, events)
}

// errBadSnapshot means that a snapshot is damaged or cannot be decoded.
var errBadSnapshot = errors.New("bad snapshot")

func restoreFromSnapshot[S any](
	ctx context.Context, tx pgx.Tx, taken takenGrain,
	rebuild func(snapshot []byte, events []boxoffice.Event) (S, error),
) (S, error) {
	var none S
	if taken.checksum == nil || checksumOf(taken.snapshot) != *taken.checksum {
		return none, fmt.Errorf("%w: its checksum is wrong", errBadSnapshot)
	}
	events, err := selectEvents(ctx, tx, taken.grain, taken.SnapshotVersion, taken.Version)
	if err != nil {
		return none, err
	}
	state, err := rebuild(taken.snapshot, events)
	if err != nil {
		return none, fmt.Errorf("%w: %w", errBadSnapshot, err)
	}
	return state, nil
}

// selectEvents reads the events after one version up to another, all of them.
func selectEvents(
	ctx context.Context, tx pgx.Tx, grain boxoffice.Grain, after, upTo int64,
) ([]boxoffice.Event, error) {
	if after == upTo {
		return nil, nil
	}
	rows, err := tx.Query(ctx, `
		SELECT type, at, operation_id, data FROM events
		WHERE kind = $1 AND id = $2 AND version > $3
		ORDER BY version`, grain.Kind, grain.ID, after)
	if err != nil {
		return nil, err
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (boxoffice.Event, error) {
		return eventOfRow(grain.Kind, row)
	})
	if err != nil {
		return nil, fmt.Errorf("read events after version %d: %w", after, err)
	}
	if int64(len(events)) != upTo-after {
		return nil, fmt.Errorf("%d events after version %d, but the grain is at %d", len(events), after, upTo)
	}
	return events, nil
}

func eventOfRow(kind boxoffice.Kind, row pgx.CollectableRow) (boxoffice.Event, error) {
	var eventType string
	var at time.Time
	var operationID *uuid.UUID
	var data []byte
	if err := row.Scan(&eventType, &at, &operationID, &data); err != nil {
		return boxoffice.Event{}, err
	}
	payload, err := DecodeEvent(kind, eventType, data)
	return boxoffice.Event{At: at, OperationID: valueOf(operationID), Data: payload}, err
}

// DecodeEvent reads the data of a stored event of a grain.
func DecodeEvent(kind boxoffice.Kind, eventType string, data []byte) (boxoffice.EventData, error) {
	switch kind {
	case boxoffice.KindSchedule:
		return seatmap.DecodeEvent(eventType, data)
	case boxoffice.KindGatekeeper:
		return waitingroom.DecodeEvent(eventType, data)
	default:
		return nil, fmt.Errorf("no grain of kind %q has events", kind)
	}
}

// valueOf returns the value of a nullable column: null is the zero value.
func valueOf[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// selectEndedPlaces returns the ended places whose tokens would otherwise still be valid.
func selectEndedPlaces(ctx context.Context, tx pgx.Tx, scheduleID int64) ([]boxoffice.EndedPlace, error) {
	rows, err := tx.Query(ctx, `
		SELECT sequence, ends_at FROM queue_places
		WHERE schedule_id = $1 AND ended_at IS NOT NULL AND ends_at IS NOT NULL
			AND ends_at > clock_timestamp() - $2::interval
		ORDER BY ends_at, sequence`, scheduleID, barMargin)
	if err != nil {
		return nil, err
	}
	ended, err := pgx.CollectRows(rows, pgx.RowToStructByName[boxoffice.EndedPlace])
	if err != nil {
		return nil, fmt.Errorf("read the places that have ended: %w", err)
	}
	return ended, nil
}

// restorePlaces puts the live places back into a room, row by row as they arrive. It reads
// the binary values itself: scanning a million rows by reflection would take most of the
// recovery, and a list of them more memory than the room.
func restorePlaces(ctx context.Context, tx pgx.Tx, scheduleID int64, room *waitingroom.Room) error {
	rows, err := tx.Query(ctx, `
		SELECT sequence, user_id, status, joined_at, admitted_at, ends_at, claimed, held_until, operation_id
		FROM queue_places
		WHERE schedule_id = $1 AND ended_at IS NULL
		ORDER BY sequence`, pgx.QueryResultFormats{pgx.BinaryFormatCode}, scheduleID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		v := rows.RawValues()
		place := waitingroom.PlaceRecord{
			Sequence: uint64(int8Of(v[0])),
			UserID:   uuid.UUID(v[1]),
			Status:   boxoffice.PlaceWaiting,
			JoinedAt: timeOf(v[3]),
		}
		if string(v[2]) == string(boxoffice.PlaceAdmitted) {
			place.Status = boxoffice.PlaceAdmitted
			place.AdmittedAt, place.EndsAt = timeOf(v[4]), timeOf(v[5])
			place.Claimed, place.HeldUntil = v[6][0] != 0, timeOf(v[7])
		}
		if v[8] != nil {
			place.OperationID = uuid.UUID(v[8])
		}
		if err := room.RestorePlace(place); err != nil {
			return fmt.Errorf("restore the places: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the places: %w", err)
	}
	return nil
}

// restoreAdmissions reports to a room when places that have ended were admitted, as far
// back from the newest admission as estimates go.
func restoreAdmissions(ctx context.Context, tx pgx.Tx, scheduleID int64, room *waitingroom.Room) error {
	rows, err := tx.Query(ctx, `
		SELECT admitted_at FROM queue_places
		WHERE schedule_id = $1 AND ended_at IS NOT NULL AND admitted_at IS NOT NULL
			AND admitted_at >= $2::interval * -1 + (
				SELECT max(admitted_at) FROM queue_places WHERE schedule_id = $1 AND admitted_at IS NOT NULL
			)`, scheduleID, waitingroom.RateWindow)
	if err != nil {
		return err
	}
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&at}, func() error {
		room.RestoreAdmission(at)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the recent admissions: %w", err)
	}
	return nil
}

// Readers of the binary format.

func int8Of(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) }

// timeOf reads a timestamptz; NULL is the zero time.
func timeOf(value []byte) time.Time {
	if value == nil {
		return time.Time{}
	}
	return time.UnixMicro(int8Of(value) + postgresEpoch).UTC()
}
