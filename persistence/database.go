package persistence

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"boxoffice"
)

// DefaultMaxConns is how many connections a Database uses for queries when Config does
// not say.
const DefaultMaxConns = 16

// controlConns is how many connections serve the clock and readiness.
const controlConns = 2

// Config configures a Database. Its zero value is usable.
type Config struct {
	// MaxConns bounds the connections for queries, charges and activations; 0 means
	// DefaultMaxConns. The journal has journalFlushers more, clock and readiness
	// controlConns.
	MaxConns int
	// ApplicationName is shown in pg_stat_activity; "" means boxoffice.
	ApplicationName string
	// QueueCapacity and QueueAdmitPerSecond are the defaults of a new schedule. A capacity
	// of 0 is none: such a schedule is refused.
	QueueCapacity       int
	QueueAdmitPerSecond int
}

// Database is one Postgres database. It is safe for concurrent use; Close it after
// everything that was made from it.
type Database struct {
	config Config
	pool   *pgxpool.Pool // queries, charges, activations
	// journal is a pool of its own, so that no amount of queries delays a commit.
	journal *pgxpool.Pool
	// control is for Ready and the clock, so that a node whose connections are all busy
	// does not conclude that the database is down.
	control *pgxpool.Pool
	// activations bounds how many connections wait for locks that commits hold.
	activations chan struct{}
	sql         *statements
	// userReads batches reads of users.
	userReads userReads
}

// Open returns the database at url. It opens no connection, so Postgres need not be running
// yet. The error says what is wrong with url.
func Open(ctx context.Context, url string, c Config) (*Database, error) {
	if err := CheckURL(url); err != nil {
		return nil, err
	}
	if c.MaxConns == 0 {
		c.MaxConns = DefaultMaxConns
	}
	if c.ApplicationName == "" {
		c.ApplicationName = "boxoffice"
	}
	pool, err := newPool(ctx, url, c.ApplicationName, c.MaxConns, nil)
	if err != nil {
		return nil, err
	}
	journal, err := newPool(ctx, url, c.ApplicationName+" journal", journalFlushers, journalSettings())
	if err != nil {
		pool.Close()
		return nil, err
	}
	control, err := newPool(ctx, url, c.ApplicationName+" control", controlConns, nil)
	if err != nil {
		journal.Close()
		pool.Close()
		return nil, err
	}
	return &Database{
		config: c, pool: pool, journal: journal, control: control, activations: make(chan struct{}, max(1, c.MaxConns/2)),
		sql: newStatements(),
	}, nil
}

// Close closes the pools and waits for what still uses them.
func (d *Database) Close() {
	d.journal.Close()
	d.control.Close()
	d.pool.Close()
	d.userReads.tasks.Wait()
}

// Ready fails with unavailable unless the database answers and accepts writes.
// [Journal.Ready] also considers the commits under way.
func (d *Database) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	var readOnly bool
	err := d.control.QueryRow(ctx, "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool").
		Scan(&readOnly)
	if err != nil {
		return failure("ask the database", err)
	}
	if readOnly {
		return failure("ask the database", boxoffice.Unavailable(errReadOnly))
	}
	return nil
}

// errReadOnly means that the server accepts no writes: a standby, perhaps.
var errReadOnly = errors.New("the database is read-only")

// PoolStats counts the connections of one pool.
type PoolStats struct {
	Acquired int // in use
	Idle     int
	Max      int
	Waited   int64 // how often a caller waited for one, since the start
}

// Stats returns the counts of the connections for queries and of those of the journal.
func (d *Database) Stats() (queries, journal PoolStats) {
	return poolStats(d.pool.Stat()), poolStats(d.journal.Stat())
}

func poolStats(s *pgxpool.Stat) PoolStats {
	return PoolStats{
		Acquired: int(s.AcquiredConns()),
		Idle:     int(s.IdleConns()),
		Max:      int(s.MaxConns()),
		Waited:   s.EmptyAcquireCount(),
	}
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// transaction runs work in one transaction, which is rolled back if work fails.
func (d *Database) transaction(ctx context.Context, work func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, d.pool, work)
}
