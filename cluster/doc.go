// Package cluster is everything between processes: who is a member, which member owns
// which grain, how a grain is called wherever it lives, and how changes are told to all.
//
// A [Node] joins the others in a bucket of NATS JetStream. Each member writes its record
// there every 250 ms by compare-and-set. Each watches the records of the others, ages
// them by its own monotonic clock, and writes the last record of a member that has been
// silent for a second, again by compare-and-set, so that one evictor wins and a late
// heartbeat beats it. Who finds its own last record written is fenced: the process must
// end. Who does not hear of itself judges nobody, and who heard of itself hardly later
// than of the silent one does not judge that one, so a NATS that hangs evicts no one.
//
// Grains are placed by rendezvous hashing of their id over the members that are ready.
// Placement is a hint: a grain may for a moment be active twice, and Postgres' epochs
// make that harmless for what is written. What is answered from memory is made safe
// here: by the [Lease], which ends before anybody can evict this node and is not valid
// while something is here that others own; and by new owners, who activate nothing
// before every member has said that it applied the change that made them owners.
//
// Postgres is authoritative, NATS is not: what the bucket holds may be lost at any time.
// Then members write themselves anew, and who cannot exclude that it was evicted before
// gives up all its grains first; they are activated again when they are called.
//
// What happens on failure: a member that dies is replaced about a second later, and
// calls to its grains take that long. A member that loses NATS goes on serving what it
// has active, each answer confirmed in Postgres, and activates nothing. A member that
// cannot be reached by another one, while both reach NATS, is unavailable to that one.
// Calls are tried for five seconds and may be delivered more than once. Notifications
// and publications may be lost.
//
// Grains run on protoactor-go, with mailboxes of our own. Of its cluster package only the
// requests to activate are used; membership, placement, retries, addressing and the
// connections between nodes (wire.go says what goes over them) are ours.
package cluster
