package persistence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Bounds of a session. A wait beyond them fails as unavailable.
const (
	connectTimeout    = 2 * time.Second
	statementTimeout  = 3 * time.Second
	lockTimeout       = 1 * time.Second // of the journal, and of an activation that waits for a commit
	idleInTransaction = 2 * time.Second // of a client that was stopped while it held locks
	tcpUserTimeout    = 5 * time.Second // of a client that was cut off
	// answerTimeout is how long the answer to anything small may take. It is longer than the
	// bounds above, which give a definite answer; only a broken connection, a host that is
	// gone, or a disk that hangs reaches it.
	answerTimeout = statementTimeout + 500*time.Millisecond
	// silenceTimeout is how long the other end may acknowledge nothing before a connection is
	// taken for dead, where the system can be told so.
	silenceTimeout = 3 * time.Second
	keepAliveEvery = time.Second
	pingTimeout    = time.Second
	// idleBeforePing is how long a connection may be unused before it is tested: one that
	// was dropped meanwhile then costs a round trip, not an unknown result.
	idleBeforePing = 100 * time.Millisecond
)

// journalSettings make the plans of the journal's statements what they were written
// for, whatever the statistics say: made once, and going through the arrays in their
// order with an index lookup for each row. The order is that of the keys, so two groups
// lock rows in the same order.
func journalSettings() map[string]string {
	return map[string]string{
		"plan_cache_mode":   "force_generic_plan",
		"enable_hashjoin":   "off",
		"enable_mergejoin":  "off",
		"enable_seqscan":    "off",
		"enable_bitmapscan": "off",
		"enable_material":   "off",
		"enable_sort":       "off",
	}
}

func newPool(
	ctx context.Context, url, application string, maxConns int, settings map[string]string,
) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database's URL: %w", err)
	}
	config.MaxConns = int32(maxConns)
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.ConnConfig.DialFunc = newDialer().DialContext
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		giveUpAtOnce(c)
		return nil
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		// Times are read in UTC.
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	params := config.ConnConfig.RuntimeParams
	maps.Copy(params, settings)
	params["application_name"] = application
	params["synchronous_commit"] = "on"
	params["default_transaction_isolation"] = "read committed"
	params["timezone"] = "UTC"
	params["jit"] = "off"
	params["statement_timeout"] = milliseconds(statementTimeout)
	params["lock_timeout"] = milliseconds(lockTimeout)
	params["idle_in_transaction_session_timeout"] = milliseconds(idleInTransaction)
	params["tcp_user_timeout"] = milliseconds(tcpUserTimeout)
	var pool *pgxpool.Pool
	config.PingTimeout = pingTimeout
	config.ShouldPing = func(ctx context.Context, p pgxpool.ShouldPingParams) bool {
		return p.IdleDuration > idleBeforePing && !answers(ctx, pool, p.Conn)
	}
	pool, err = pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("make a connection pool: %w", err)
	}
	return pool, nil
}

// answers reports whether an idle connection still works. If it is silent, the pool drops
// all of its connections, which are as old: otherwise the next callers would try each in
// turn.
func answers(ctx context.Context, pool *pgxpool.Pool, conn *pgx.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := conn.Ping(ctx)
	if pgconn.Timeout(err) {
		pool.Reset()
	}
	return err == nil
}

// newDialer returns a dialer whose connections notice when the other end is gone.
func newDialer() *net.Dialer {
	return &net.Dialer{
		Timeout:         connectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAliveEvery, Interval: keepAliveEvery},
		Control:         limitSilence,
	}
}

// errGivenUp is returned instead of a connection for cancelling a statement on a session
// that was given up.
var errGivenUp = errors.New("the connection is given up")

// giveUpAtOnce makes a session end when a deadline passes. Otherwise pgx asks the server to
// cancel, at the address of the silent connection, and the pool keeps the session's place
// for the 15 s that this may take. Nor may a commit ever be cancelled: one that waits for a
// standby would show what is not replicated.
//
// An established session dials again for that purpose only.
func giveUpAtOnce(config *pgx.ConnConfig) {
	var conn net.Conn // the last one that was dialed
	var established atomic.Bool
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (_ net.Conn, err error) {
		if established.Load() {
			_ = conn.Close() // it is given up
			return nil, errGivenUp
		}
		conn, err = dial(ctx, network, address)
		return conn, err
	}
	config.AfterConnect = func(context.Context, *pgconn.PgConn) error {
		established.Store(true)
		return nil
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
