// Package plan draws what goes wrong in a chaos run, and when, from a seed: the same
// seed, faults, length and number of nodes give the same plan. It only says what is to
// be done; package system does it, or package workload where clients are the fault.
//
// Faults come one after the other with time to recover in between, so that an outage can be
// attributed to the fault that caused it. Every requested fault comes once before any comes
// twice, as far as the time allows: a minute has about ten.
//
// # Rows of the catalogue
//
// The kinds name the rows of the catalogue of faults that they inject. Two rows need no
// fault, because clients do it in every run: 20, the same key at several nodes at once, and
// of 21 the client that closes in the middle of a request.
//
// Injected at a smaller scale than in the catalogue, to fit on a small machine: 25, 150
// activations and 200 expiries at once instead of 10 000 of each; 26, 600 who wait instead
// of a million (restoring a million is measured by bench/waitingroom).
//
// NATS is three servers in a run whose plan has 32 or 33, and one in others; 12 to 14 and 27 hit
// all that there are.
//
// Injected only where the machine allows it, and left out of "all" elsewhere: 16, the full
// disk, which needs the right to mount a file system; 10, the cut between two nodes of
// three, which needs Linux to distinguish their connections; 1 to 5, 7 and the node's clock
// of 19, which need a build with the tag failpoint.
//
// Not injected: of 19 a wrong clock of Postgres. It needs libfaketime in the server, which
// CI does not have; and holds would end by that clock, by which the harness judges them.
// That holds keep the database's time, whatever a node's clock says, is what the other half
// of the row shows; that time never goes back when the database's clock does is tested in
// persistence (TestClockNeverGoesBack).
package plan
