// Package actors holds the grains of boxoffice: thin shells that give the state
// machines of the root package a mailbox, a clock and a journal.
//
// There is a schedule grain (the seats) and a gatekeeper grain (the waiting room) per
// schedule. Both run in the same [shell]: while a commit is in flight, commands wait;
// when it ends they form the next batch, which is decided one command after the other
// on the same state, appended as one commit, and answered when that is durable. So a
// stampede costs a commit per round trip to Postgres, not one per request.
//
// Postgres is authoritative; a grain is a cache of it that is only good under its
// epoch. A grain that is fenced, or that does not know how its commit ended, answers
// [messages.Retry] to everybody and stops; the next message activates it anew, under
// the next epoch, from what is durable. No answer, a refusal or a read included,
// leaves before what it depends on is durable, and without a valid lease none leaves
// before Postgres has confirmed the epoch.
//
// Messages between the two grains only hurry: what a schedule decides about a place in
// line stands in the place's row, written in the schedule's own transaction, and the
// gatekeeper reads the row where a message was lost.
//
// [Client] is how everybody else talks to grains, by way of the cluster's calls.
package actors
