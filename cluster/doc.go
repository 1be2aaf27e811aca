// Package cluster is everything between processes: who is a member, which member owns which
// grain, how a grain is called wherever it lives, and how changes reach all members.
//
// A [Node] joins the others in a bucket of NATS JetStream. Each member writes its record
// there every 250 ms by compare-and-set. Each watches the records of the others, ages them
// by its own monotonic clock, and writes the last record of a member that has been silent
// for a second, again by compare-and-set, so that one evictor wins and a late heartbeat
// beats it. A member that finds its own last record written is fenced: the process must
// end. A member that does not receive its own heartbeats judges nobody, and one that last
// received its own hardly later than those of a silent member does not judge that member,
// so a NATS that hangs evicts no one.
//
// Grains are placed by rendezvous hashing of their id over the members that are ready.
// Placement is a hint: a grain may for a moment be active twice, and Postgres' epochs make
// that harmless for writes. Answers from memory are made safe here: by the [Lease], which
// ends before anybody can evict this node and is not valid while this node still has grains
// that others own; and by new owners, which activate nothing before every member has
// confirmed that it applied the change that made them owners.
//
// # What is protoactor's, and what is ours
//
// protoactor-go runs the grains: actors, their contexts, supervision, the registry of
// processes. A call goes through its cluster API, Cluster.Request(identity, kind, message),
// for which we provide the two extension points: an IdentityLookup (lookup.go), which finds
// the member that a grain is on, and a cluster Context (call.go), which sends, waits and
// tries again. Not used are its cluster providers, member list, gossip and pub/sub, which
// know nothing of leases; its identity lookups, which activate what they do not own; and its
// remote, which crashes on a message of an unknown type and takes addresses for members.
//
// Membership, leases and placement are ours. So are a grain's mailbox (mailbox.go), because
// protoactor's silently drops what is queued behind a stop, and takes kilobytes when it is
// idle; and the dispatcher (dispatcher.go), because a new goroutine for each turn has to
// grow its stack again.
//
// Members talk through a gRPC service ([boxoffice/cluster/nodes], service.go, peers.go): a
// connection from each to each, over mutual TLS, by certificates or by a secret that all
// know. A caller says which member it means. Deadlines and cancellation travel with calls.
// A record says which versions of the service its member speaks; of two members without a
// common version the later one owns nothing, and [Node.Health] reports it.
//
// # What happens on failure
//
// Postgres is authoritative, NATS is not: what the bucket holds may be lost at any time.
// Then members write their records again, and a member that cannot exclude that it was
// evicted before gives up all its grains first; they are activated again when they are
// called. In a cluster of NATS servers the bucket is on three of them.
//
// A member that dies is replaced about a second later, and calls to its grains take that
// long. A member that loses NATS keeps serving its active grains, each answer confirmed in
// Postgres, and activates nothing. A member that cannot be reached by another one, while
// both reach NATS, is unavailable to that one. A broken connection is noticed at once, one
// on which nothing arrives within two seconds. Calls are tried for five seconds and may be
// delivered more than once, but no answer is thrown away while its caller waits.
// Notifications and publications may be lost.
package cluster
