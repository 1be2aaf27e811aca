// Package edge answers, on any node, what many people ask of few grains: how the seats
// of a schedule stand, and where somebody stands in its line. It keeps replicas of the
// views of grains that this node was asked about, and asks the grain whenever a replica
// cannot vouch for its answer. Everything else goes through to the grains.
//
// The grain is authoritative. A replica may refuse to answer; it never answers anything
// that was not true within the last second, nor anything older than what this node has
// told before.
//
//   - A replica begins with the answer to a Watch: the whole view, its epoch and version,
//     and a mark. From then on the owner's feed tells each change of it. Changes have to
//     follow each other without a gap; where one is missing, the whole view is asked for
//     again.
//   - The feed of a member is one subject: all changes of its watched grains, at most
//     every 20 ms, and a heartbeat every 250 ms. Its messages are numbered, so that a lost
//     one is noticed, and tell as of when they are complete: a time that was read before
//     the lease was found valid. A replica is good until 900 ms after that.
//   - On the owner's own node there is no feed in between: a change is in the replica
//     before anybody is answered on the strength of it, and the replica is good as long as
//     the lease is.
//   - Whatever a grain answers, through this node, tells which point of its view it shows.
//     No replica that is older is asked any more.
//   - When an activation ends, is replaced, or loses its lease, its replicas are not used:
//     an end is told, a lost lease keeps the feed silent, a new epoch is another view.
//
// If NATS does not answer, feeds are silent, and after 900 ms every question is a
// question to a grain again: slower, never wrong.
package edge
