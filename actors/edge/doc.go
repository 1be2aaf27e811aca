// Package edge answers, on any node, the questions that many people ask of few grains: the
// state of a schedule's seats, and somebody's position in its line. It keeps replicas of
// the views of the grains that this node was asked about, and asks the grain whenever a
// replica cannot vouch for its answer. Everything else is passed on to the grains.
//
// The grain is authoritative. A replica may refuse to answer; it never answers anything
// that was not true within the last second, nor anything older than what this node has
// answered before.
//
//   - A replica begins with the answer to a Watch: the whole view, its epoch and version,
//     and a mark. From then on the owner's feed carries each change of it. Changes have to
//     follow each other without a gap; if one is missing, the replica asks for the whole
//     view again.
//   - The feed of a member is one subject: all changes of its watched grains, at most every
//     20 ms, and a heartbeat every 250 ms. Its messages are numbered, so that a lost one is
//     noticed, and say as of when they are complete: a time that was read before the lease
//     was found valid. A replica is good until 900 ms after that.
//   - On the owner's own node there is no feed in between: a change is in the replica
//     before any answer depends on it, and the replica is good as long as the lease is.
//   - Every answer of a grain, through this node, says which point of its view it shows. An
//     older replica is no longer asked.
//   - When an activation ends, is replaced, or loses its lease, its replicas are not used:
//     an end is announced, a lost lease silences the feed, a new epoch is another view.
//
// If NATS does not answer, feeds are silent, and after 900 ms every question goes to a
// grain again: slower, never wrong.
package edge
