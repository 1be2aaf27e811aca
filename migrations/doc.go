// Package migrations holds the database's schema as numbered SQL files, embedded into
// the program, and brings a database to the newest of them.
//
// The files are authoritative: nothing else creates or alters a table. A file that was
// released is never edited; a change is a new number. Each runs in its own transaction,
// so a migration that fails leaves the database at the number before it, and several
// processes that migrate at once wait for each other (a Postgres advisory lock).
package migrations
