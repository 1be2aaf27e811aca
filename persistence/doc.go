// Package persistence keeps in Postgres everything that Boxoffice must not lose.
//
// Postgres is authoritative, for grains and for everything that is shown. Grains write
// through [Journal]: a commit is fenced by the grain's epoch and version, and its events
// and every row that they imply (reservations, payments, ledger, balances, places in
// line, idempotency keys) become durable in one transaction, or nothing does. Charges and
// registrations belong to no grain and ride in its groups; the catalogue's writes are
// ordinary transactions. Everything else here reads, from the same primary that the
// journal writes to, so a read shows all that was acknowledged before it.
//
// Each table has one file, with the rows that are written to it (structs whose db tags
// are the columns, in SQL and on the wire), the statements, and the reads.
//
// # When something fails
//
// Every error is a [boxoffice.Error] in a chain of wrapped ones, or is internal. Connection
// errors, a lock that cannot be taken, a full disk or a stopping server become
// [boxoffice.Unavailable]: the same request can be sent again. The result of a write whose
// connection broke is never guessed: the journal answers [boxoffice.ErrUnknown], and the
// grain's next activation settles it, because its new epoch waits for the row that the lost
// commit may still lock. Constraint violations are bugs of this program; one fails its own
// commit and no other, is logged with the ids that it concerns, and changes nothing.
//
// No session is ever cancelled: one whose deadline has passed is given up. A commit that
// waits for a synchronous standby would otherwise show what is not replicated.
//
// Sessions have bounds of their own, so that a client that is stopped or cut off in the
// middle of a transaction keeps its locks for seconds only.
package persistence
