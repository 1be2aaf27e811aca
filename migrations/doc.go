// Package migrations holds the database's schema as numbered SQL files, embedded into
// the program, and brings a database to the newest of them.
//
// The files are authoritative: nothing else creates or alters a table. A file that was
// released is never edited; a change is a new number. Each runs in its own transaction,
// or in one per statement where each statement may be run again, so a migration that
// fails is run again as a whole. Several processes that migrate at once wait for each
// other (a Postgres advisory lock).
//
// From the ninth on, migrations run beside nodes of the release before. They take nothing
// away that those use; indexes are made CONCURRENTLY, constraints are NOT VALID at first; and
// a statement that locks a table bounds its wait for the lock (lock_timeout), because
// everybody else waits behind it. TestMigrationsRunBesideNodes holds them to that.
package migrations
