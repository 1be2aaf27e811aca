// Package check decides whether a history and what the database holds after it can both
// be true of a service that keeps its promises.
//
// It works in this order:
//
//  1. [Load] reads the database at one instant, when no commit can be in flight any more.
//  2. [Resolve] determines which of the operations with an unknown result happened, by the
//     log of events, the ledger and the stored answers. What is in none of them never
//     happened. Only then is linearizability checked; with raw unknowns, which may happen
//     at any time or never, almost every history has an explanation.
//  3. [Run] applies the checks: each seat, each buyer and each account against a model
//     (porcupine), the waiting rooms, what is shown of them and of the seats, the
//     idempotency keys, the durability of what was acknowledged, and the accounts.
//
// The database is authoritative for what happened, the history for what was said about it.
// The checks share no code with the state machines that they judge; they read stored events
// with the root package's decoder, and compare snapshots with its replay. A check that does
// not finish in time is a violation, not a pass.
package check
