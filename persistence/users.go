package persistence

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// userRow is a new user.
type userRow struct {
	ID        uuid.UUID `db:"id"`
	Name      string    `db:"name"`
	CreatedAt time.Time `db:"created_at"`
}

func newInsertUsers() *statement {
	return newStatement("insert users", `
		WITH registered AS (
			INSERT INTO users (id, name, created_at) SELECT c.id, c.name, c.created_at FROM {users} AS c
		)
		INSERT INTO accounts (user_id, balance, version) SELECT c.id, 0, 0 FROM {users} AS c`,
		rowsOf[userRow]("users"))
}

// CreateUser registers a user, with an account of 0 points, in a group with the commits of
// grains. If it is unknown whether it was written it fails with unavailable.
func (j *Journal) CreateUser(ctx context.Context, user boxoffice.User) error {
	if refusal := boxoffice.ValidateUserName(user.Name); refusal != nil {
		return refusal
	}
	return failure("create user", j.wait(ctx, &pending{rows: &changes{users: []userRow{userRow(user)}}}).Err)
}

// maxUserReads bounds the users of one query.
const maxUserReads = 1000

// userReads batches reads of users: those that come while a query is under way are answered
// together by the next one. Otherwise a crowd that a node has never seen before, as when
// sales open, would take a query and a connection each.
type userReads struct {
	mu      sync.Mutex
	waiting []*userRead
	busy    bool // a goroutine answers reads
	tasks   sync.WaitGroup
}

// userRead is one read. Once done is closed, it has its answer.
type userRead struct {
	id   uuid.UUID
	user boxoffice.User // its ID is zero if there is no such user
	err  error
	done chan struct{}
}

// User fails with user-not-found.
func (d *Database) User(ctx context.Context, id uuid.UUID) (boxoffice.User, error) {
	read := &userRead{id: id, done: make(chan struct{})}
	r := &d.userReads
	r.mu.Lock()
	r.waiting = append(r.waiting, read)
	if !r.busy {
		r.busy = true
		r.tasks.Go(d.readUsers)
	}
	r.mu.Unlock()
	select {
	case <-read.done:
	case <-ctx.Done():
		return boxoffice.User{}, failure("read user", context.Cause(ctx))
	}
	switch {
	case read.err != nil:
		return boxoffice.User{}, failure("read user", read.err)
	case read.user.ID == uuid.Nil:
		return boxoffice.User{}, userNotFound()
	}
	return read.user, nil
}

// readUsers answers reads until there are none left.
func (d *Database) readUsers() {
	r := &d.userReads
	for {
		r.mu.Lock()
		batch := r.waiting[:min(len(r.waiting), maxUserReads)]
		r.waiting = r.waiting[len(batch):]
		r.busy = len(batch) > 0
		r.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		err := d.selectUsers(ctx, batch)
		cancel()
		for _, read := range batch {
			read.err = err
			close(read.done)
		}
	}
}

func (d *Database) selectUsers(ctx context.Context, reads []*userRead) error {
	ids := make([]uuid.UUID, len(reads))
	for i, read := range reads {
		ids[i] = read.id
	}
	rows, err := d.pool.Query(ctx, "SELECT id, name, created_at FROM users WHERE id = ANY($1)", ids)
	if err != nil {
		return err
	}
	found := make(map[uuid.UUID]boxoffice.User, len(reads))
	var user boxoffice.User
	_, err = pgx.ForEachRow(rows, []any{&user.ID, &user.Name, &user.CreatedAt}, func() error {
		found[user.ID] = user
		return nil
	})
	if err != nil {
		return err
	}
	for _, read := range reads {
		read.user = found[read.id]
	}
	return nil
}
