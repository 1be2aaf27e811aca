// Package migrations holds the database's schema as numbered SQL files, embedded into
// the program, and brings a database to the newest of them.
//
// The files are authoritative: nothing else creates or alters a table. A file that was
// released is never edited; a change is a new number. Each runs in its own transaction,
// or in one per statement where each statement may be run again, so a migration that
// fails is run again as a whole. Several processes that migrate at once wait for each
// other (a Postgres advisory lock).
//
// Migrations run beside nodes of the release before: they only add, and a statement that
// locks a table bounds its wait for the lock (lock_timeout), because everybody else waits
// behind it.
package migrations
