// Package actors holds the grains of boxoffice: thin shells that give the state machines
// of seatmap and waitingroom a mailbox, a clock and a journal.
//
// There is a schedule grain (the seats) and a gatekeeper grain (the waiting room) per
// schedule. Both run in the same [shell]: while a commit is in flight, commands wait;
// when it ends they form the next batch, which is decided one command after the other
// on the same state, appended as one commit, and answered when that is durable. So a
// stampede costs a commit per round trip to Postgres, not one per request. What only
// asks is answered at once, from what is durable, and waits for no commit.
//
// A machine takes messages and returns data: events, answers, what to tell others, when
// to wake. The shell does the rest. What time makes due is part of any batch; where it
// cannot be written it is tried again later, and keeps no command waiting.
//
// Postgres is authoritative; a grain is a cache of it that is only good under its
// epoch. A grain that is fenced answers [messages.Retry] to everybody and stops; the
// next message activates it anew, where it belongs. One that does not know how its
// commit ended loads its state again, under the next epoch, and decides again what
// waits: operations have their effect once. No answer, a refusal or a read included,
// leaves before what it depends on is durable, and without a valid lease none leaves
// before Postgres has confirmed the epoch.
//
// A schedule tells its gatekeeper what its journal says: everything when it is
// activated, and each commit after that. The messages only hurry. A gatekeeper that
// misses some of it reads the schedule's journal, when it is activated, when there is a
// gap, and every few seconds while people wait.
//
// [Client] is how everybody else talks to grains, by way of the cluster's calls.
package actors
