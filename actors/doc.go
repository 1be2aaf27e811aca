// Package actors holds the grains of boxoffice: thin shells that give the state machines
// of seatmap and waitingroom a mailbox, a clock and a journal.
//
// There is a schedule grain (the seats) and a gatekeeper grain (the waiting room) per
// schedule. Both run in the same [shell]: while a commit is in flight, commands wait; when
// it ends they form the next batch, which is decided one command after the other on the
// same state, appended as one commit, and answered when that is durable. So a stampede
// costs a commit per round trip to Postgres, not one per request. Questions are answered at
// once, from the durable state, and wait for no commit.
//
// A machine takes messages and returns data: events, answers, messages to others, the time
// to wake. The shell does the rest. What time makes due is part of any batch; if it cannot
// be written it is tried again later. Of a batch that cannot be written those commands that
// need no write by themselves (a poll, a repetition, a refusal) are answered as of now, and
// the same goes for those that came while it was tried; the others are unavailable. So who
// needs no write waits for one commit at most, as long as the journal takes to give it up.
//
// Postgres is authoritative; a grain is a cache of it that is only valid under its epoch. A
// fenced grain answers everybody with [messages.Retry] and stops; the next message
// activates it again, on the node that owns it. A grain that does not know whether its
// commit succeeded reloads its state under the next epoch and decides the waiting commands
// again: operations have their effect once. No answer, not even a refusal or a read, is
// sent before what it depends on is durable, and without a valid lease none is sent before
// Postgres has confirmed the epoch.
//
// A schedule sends its gatekeeper what its journal says: everything when it is activated,
// and each commit after that. The messages only save time. A gatekeeper reads the
// schedule's journal itself when it is activated, when it notices a gap, and every few
// seconds while people wait.
//
// Everybody else talks to grains through [Client], which uses the cluster's calls.
package actors
