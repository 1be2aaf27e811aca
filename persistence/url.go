package persistence

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errURL does not quote the URL, which may hold a password.
var errURL = errors.New("not the URL of a PostgreSQL database, or one with pool_ parameters or an unescaped password")

// CheckURL returns an error if Open does not accept a URL. It refuses parameters that set a
// pool's size, which is Config's, and an "@" beyond the host, the sign of a password that
// should have been percent-encoded: part of it would be printed, and looked up, as a host.
func CheckURL(url string) error {
	scheme, rest, found := strings.Cut(url, "://")
	if !found || scheme != "postgres" && scheme != "postgresql" {
		return errURL
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 && strings.Contains(rest[end:], "@") {
		return errURL
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return errURL // err may quote the password
	}
	for name := range config.RuntimeParams {
		if strings.HasPrefix(name, "pool_") {
			return errURL
		}
	}
	return nil
}

// MayBePlain returns a host, other than this machine, with which the connection may be
// plain text if it offers nothing else: the URL has sslmode=prefer or allow, or no sslmode.
// It is empty if there is none.
func MayBePlain(url string) string {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return ""
	}
	ways := append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	for i, way := range ways[1:] { // the two ways to a host follow each other
		ip, err := netip.ParseAddr(way.Host)
		local := way.Host == "localhost" || err == nil && ip.IsLoopback()
		if !local && way.Host == ways[i].Host && (way.TLSConfig == nil) != (ways[i].TLSConfig == nil) {
			return way.Host
		}
	}
	return ""
}

// Reach connects to the database at url once. If that fails, again reports whether it may
// work later: the server is down, starting, stopping or full. A wrong password or an unknown
// database is final.
func Reach(ctx context.Context, url string) (again bool, err error) {
	connection, err := pgx.Connect(ctx, url)
	if err == nil {
		return false, connection.Close(ctx)
	}
	refusal, refused := errors.AsType[*pgconn.PgError](err)
	if !refused {
		return true, err
	}
	switch refusal.Code {
	case "57P01", "57P02", "57P03", "53300": // shutdown, crash, cannot connect now, too many
		return true, err
	default:
		return false, err
	}
}

// Exclusively does work while no other process of this database does work under the same
// number; it waits for others without a limit of its own.
func (d *Database) Exclusively(ctx context.Context, number int64, work func(context.Context) error) error {
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true),
			set_config('idle_in_transaction_session_timeout', '0', true)`)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", number); err != nil {
			return err
		}
		return work(ctx)
	})
}
