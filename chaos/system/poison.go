package system

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// snapshot is one that a fault has damaged.
type snapshot struct {
	kind    string
	id      int64
	version int64
}

// poison changes a number in every snapshot, which stays well-formed, and takes their
// grains from their owners, who have to load them again.
func (s *System) poison(ctx context.Context) error {
	conn, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `
		UPDATE grains SET epoch = epoch + 1, owner = 'chaos',
			snapshot = replace(replace(snapshot::text, '"price":', '"price":1'), '"nextSequence":', '"nextSequence":1')::json
		WHERE snapshot IS NOT NULL
		RETURNING kind, id, snapshot_version`)
	if err != nil {
		return fmt.Errorf("damage snapshots: %w", err)
	}
	damaged, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d snapshot, err error) {
		err = row.Scan(&d.kind, &d.id, &d.version)
		return d, err
	})
	if err != nil {
		return fmt.Errorf("damage snapshots: %w", err)
	}
	s.damaged = append(s.damaged, damaged...)
	return nil
}

// RemoveDamaged removes the snapshots that a fault has damaged and nothing has replaced
// since: the service must not use them, but they are not its fault.
func (s *System) RemoveDamaged(ctx context.Context, conn *pgx.Conn) error {
	for _, d := range s.damaged {
		_, err := conn.Exec(ctx, `
			UPDATE grains SET snapshot = NULL, snapshot_version = 0, snapshot_checksum = NULL
			WHERE kind = $1 AND id = $2 AND snapshot_version = $3`, d.kind, d.id, d.version)
		if err != nil {
			return fmt.Errorf("remove damaged snapshots: %w", err)
		}
	}
	return nil
}
