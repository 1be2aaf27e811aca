package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
	api "boxoffice/http"
	"boxoffice/persistence"
	"boxoffice/waitingroom"
)

// roomLimits are those of the lines that are filled.
func roomLimits() waitingroom.Limits {
	return waitingroom.Limits{AdmissionTTL: 10 * time.Minute, ClaimTTL: time.Minute, MaxWaiting: 10_000_000}
}

// newSchedule puts a concert on sale.
func newSchedule(ctx context.Context, db *persistence.Database, capacity, admitPerSecond int) (int64, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	concert, err := db.CreateConcert(ctx, boxoffice.NewConcert{Title: "Concert"})
	if err != nil {
		return 0, err
	}
	info, err := db.CreateSchedule(ctx, boxoffice.NewSchedule{
		ConcertID: concert.ID, StartsAt: now.AddDate(0, 0, 30), EndsAt: now.AddDate(0, 0, 31), TimeZone: "UTC",
		Capacity: &capacity, AdmitPerSecond: &admitPerSecond,
	}, now)
	return info.Terms.ScheduleID, err
}

// fillBatch is how many places one commit of a fill has: what a busy gatekeeper takes.
const fillBatch = 4096

// fill makes a line of strangers, which may be paused, through the journal: the same
// events and rows as if they had joined one by one, without their requests.
func fill(ctx context.Context, db *persistence.Database, scheduleID int64, waiting int, paused bool) ([]uuid.UUID, error) {
	journal := persistence.NewJournal(db, persistence.JournalConfig{})
	defer journal.Close()
	grain := boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: scheduleID}
	activation, room, _, err := journal.ActivateWaitingRoom(ctx, scheduleID, "bench", roomLimits())
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	events, refusal := room.Decide(boxoffice.Configure{Paused: &paused}, now)
	if refusal != nil {
		return nil, refusal
	}
	users := make([]uuid.UUID, waiting)
	for i := range users {
		users[i] = uuid.New()
	}
	for version, next := activation.Version, 0; next < waiting; {
		batch := users[next:min(waiting, next+fillBatch)]
		next += len(batch)
		events = append(events, boxoffice.Event{At: now, Data: waitingroom.Joined{First: room.NextSequence(), UserIDs: batch}})
		for _, e := range events {
			room.Apply(e)
		}
		snapshot, err := room.Snapshot()
		if err != nil {
			return nil, err
		}
		done := make(chan boxoffice.CommitResult, 1)
		journal.Commit(boxoffice.Commit{
			Grain: grain, Epoch: activation.Epoch, Version: version, Events: events, Snapshot: snapshot,
		}, func(r boxoffice.CommitResult) { done <- r })
		if r := <-done; r.Err != nil {
			return nil, fmt.Errorf("fill the line: %w", r.Err)
		}
		version += int64(len(events))
		events = nil
	}
	return users, nil
}

// person is somebody in a line.
type person struct {
	id          uuid.UUID
	position    int // in the line
	accessToken string
	queueToken  string
}

// register makes people known to the service.
func (b *bench) register(ctx context.Context, people []*person) error {
	conn, err := pgx.Connect(ctx, b.lab.Postgres.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	now := time.Now().UTC()
	users, accounts := make([][]any, len(people)), make([][]any, len(people))
	for i, p := range people {
		users[i], accounts[i] = []any{p.id, "Somebody", now}, []any{p.id, int64(0), int64(0)}
		p.accessToken, _, err = b.keys.SignAccess(api.Caller{UserID: p.id}, now, time.Hour)
		if err != nil {
			return err
		}
	}
	if _, err := conn.CopyFrom(ctx, pgx.Identifier{"users"}, []string{"id", "name", "created_at"}, pgx.CopyFromRows(users)); err != nil {
		return err
	}
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"accounts"}, []string{"user_id", "balance", "version"}, pgx.CopyFromRows(accounts))
	return err
}
