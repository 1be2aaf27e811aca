package persistence

import (
	"cmp"
	"context"
	"encoding/json"
	"hash/crc32"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// grainRow is the grain that a commit is about, before and after it.
type grainRow struct {
	Kind     boxoffice.Kind  `db:"kind"`
	ID       int64           `db:"id"`
	Epoch    int64           `db:"epoch"`
	Version  int64           `db:"version"`
	Next     int64           `db:"next"`     // its version after the commit
	Snapshot json.RawMessage `db:"snapshot"` // nil: the old one stays
	Checksum int64           `db:"checksum"` // of Snapshot
}

type eventRow struct {
	Kind        boxoffice.Kind  `db:"kind"`
	ID          int64           `db:"id"`
	Version     int64           `db:"version"`
	Epoch       int64           `db:"epoch"`
	Type        string          `db:"type"`
	OperationID uuid.UUID       `db:"operation_id"`
	Data        json.RawMessage `db:"data"`
	At          time.Time       `db:"at"`
}

// checksumOf returns the CRC-32C that is kept beside a snapshot.
func checksumOf(snapshot []byte) int64 {
	return int64(crc32.Checksum(snapshot, crc32.MakeTable(crc32.Castagnoli)))
}

type grainStatements struct {
	confirm, fence, insertEvents *statement
	lockGrains                   [lockings]*statement
}

// newGrainStatements returns the statements that fence grains and append their events. The
// fence locks each grain's row, so that a new activation waits for this transaction and
// then sees it, and this transaction waits for an activation and then finds another epoch.
func newGrainStatements() grainStatements {
	return grainStatements{
		confirm: newStatement("confirm", `
			SELECT expect_rows((
				SELECT count(*) FROM {grains} AS c
				JOIN grains g ON g.kind = c.kind COLLATE "C" AND g.id = c.id
				WHERE g.epoch = c.epoch AND g.version = c.version
			), cardinality({grains.id}), 'confirm')`, rowsOf[grainRow]("grains")),
		fence: newStatement("fence", `
			WITH fenced AS (
				UPDATE grains g
				SET version           = c.next,
				    snapshot          = CASE WHEN c.snapshot IS NULL THEN g.snapshot ELSE c.snapshot END,
				    snapshot_version  = CASE WHEN c.snapshot IS NULL THEN g.snapshot_version ELSE c.next END,
				    snapshot_checksum = CASE WHEN c.snapshot IS NULL THEN g.snapshot_checksum ELSE c.checksum END
				FROM {grains} AS c
				WHERE g.kind = c.kind COLLATE "C" AND g.id = c.id AND g.epoch = c.epoch AND g.version = c.version
				RETURNING 1
			)
			SELECT expect_rows((SELECT count(*) FROM fenced), cardinality({grains.id}), 'fence')`,
			rowsOf[grainRow]("grains")),
		insertEvents: newStatement("insert events", `
			INSERT INTO events (kind, id, version, epoch, type, operation_id, data, at)
			SELECT c.kind, c.id, c.version, c.epoch, c.type, c.operation_id, c.data, c.at FROM {events} AS c`,
			rowsOf[eventRow]("events")),
		lockGrains: lockStatement("lock grains", `
			SELECT g.kind, g.id, g.epoch, g.version
			FROM {grains} AS c
			JOIN grains g ON g.kind = c.kind COLLATE "C" AND g.id = c.id
			FOR NO KEY UPDATE OF g`, rowsOf[grainKey]("grains")),
	}
}

func (s *grainStatements) write(ctx context.Context, b *batch, c *changes) {
	runAll(ctx, b, s.confirm, c.confirmed)
	runAll(ctx, b, s.fence, c.fenced)
	runAll(ctx, b, s.insertEvents, c.events)
}

type grainKey struct {
	Kind boxoffice.Kind `db:"kind"`
	ID   int64          `db:"id"`
}

// lockedGrain is the locked row of a grain.
type lockedGrain struct {
	Kind           boxoffice.Kind
	ID             int64
	Epoch, Version int64
}

func (s *grainStatements) lock(ctx context.Context, b *batch, c *changes, how locking, each func(lockedGrain)) {
	var keys []grainKey
	for _, g := range slices.Concat(c.fenced, c.confirmed) {
		keys = append(keys, grainKey{g.Kind, g.ID})
	}
	slices.SortFunc(keys, func(a, b grainKey) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Kind, b.Kind)) })
	if len(keys) > 0 {
		b.run(ctx, s.lockGrains[how], keys)
		collect(b, each)
	}
}
