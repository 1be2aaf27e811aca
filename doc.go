// Package boxoffice holds the domain types of a reservation service for concert tickets,
// which the state machines and their surroundings share.
//
// The two state machines are in packages seatmap (one performance and its 50 seats) and
// waitingroom (the line in front of it). Both are pure: a command and the time go in,
// events or a refusal come out, and events are the only thing that changes state. There is
// no I/O, no clock and no randomness in these packages; ids and the time arrive as data.
// The folders around them adapt them to the world: actors gives each machine a mailbox and
// a journal, persistence makes what they decide durable, http lets people use it.
//
// Postgres is authoritative. A machine in memory is a cache of what the journal
// holds; whoever drives one must make the events of a decision durable before it
// tells anyone about the decision, and must throw the machine away when the journal
// says that a newer epoch owns it. See [Commit].
//
// All times are UTC, by the database's clock, in whole milliseconds. All intervals are
// half-open: a hold is good while now < ExpiresAt. All amounts are whole points.
package boxoffice
