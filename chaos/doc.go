// Chaos breaks the service on purpose and checks that it keeps its promises.
//
//	go run ./chaos -seed 7 -minutes 1 -faults kill,pause
//	go run ./chaos -seeds 1-30 -minutes 1 -tags failpoint
//	go run ./chaos figures -runs 5
//
// The first makes one run and leaves its output. The second makes one after the other,
// prints a line for each, and keeps only the output of those that did not pass. The third
// measures what each kind of fault costs clients at a fixed rate of requests, against the
// goals.
//
// It builds the program, starts it as real processes with a Postgres and a NATS of its own,
// lets clients buy seats at the edges of what is allowed while a plan's faults come and go,
// heals everything, and judges the clients' answers against what the database holds. Both
// the plan and the clients' scripts come from the seed.
//
// The output directory has
//
//	verdict.json      pass, fail or invalid, and why; seed, commit, plan, outages
//	history.html      the operations on the seats that broke a promise, or on the busiest
//	operations.jsonl  every request and its answer
//	*.log             what each process said
//
// The exit status is zero only for pass. A run is invalid, and proves nothing, when its
// faults could not be injected or too little succeeded.
//
// Packages: plan draws what goes wrong; system has the processes and breaks them;
// workload has the clients; history is what they saw; check judges it; mutant takes
// safeguards out of the program. The points at which a process can be stopped are those of
// internal/failpoint, which are empty unless the build tag failpoint is given.
package main
