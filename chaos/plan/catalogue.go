package plan

import (
	"slices"
	"time"
)

// Kind names one way to break things.
type Kind string

// The faults. The comments name the rows of the catalogue in docs/guarantees.md.
const (
	KillBeforeAppend  Kind = "kill-before-append"  // 1
	KillCommitSent    Kind = "kill-commit-sent"    // 2
	KillBeforeReply   Kind = "kill-before-reply"   // 3
	KillBeforePublish Kind = "kill-before-publish" // 4
	KillActivation    Kind = "kill-activation"     // 5
	Kill              Kind = "kill"                // kill -9 at any moment
	Pause             Kind = "pause"               // 6
	PauseTransaction  Kind = "pause-transaction"   // 7
	CutPostgres       Kind = "cut-postgres"        // 8
	CutNATS           Kind = "cut-nats"            // 9
	CutNodes          Kind = "cut-nodes"           // 10, both ways
	CutNodesOneWay    Kind = "cut-nodes-one-way"   // 10, one way
	CutAll            Kind = "cut-all"             // 11
	FreezeNATS        Kind = "nats-freeze"         // 12
	RestartNATS       Kind = "nats-restart"        // 13
	WipeNATS          Kind = "nats-wipe"           // 14
	RestartPostgres   Kind = "postgres-restart"    // 15
	DiskFull          Kind = "disk-full"           // 16
	SlowPostgres      Kind = "postgres-slow"       // 17, late
	StuckCommits      Kind = "stuck-commits"       // 17, never
	DropConnections   Kind = "drop-connections"    // 18
	SkewClock         Kind = "skew-clock"          // 19, of a node
	SlowClients       Kind = "slow-clients"        // 21
	PoisonSnapshots   Kind = "poison-snapshots"    // 22
	Rolling           Kind = "rolling"             // 23
	Term              Kind = "term"                // 23, of one node
	Join              Kind = "join"                // 24
	Activations       Kind = "activations"         // 25
	Expiries          Kind = "expiries"            // 25
	KillCrowd         Kind = "kill-crowd"          // 26
	KillAll           Kind = "kill-all"            // 27
	LostAnswers       Kind = "lost-answers"        // 28
	ReadOnly          Kind = "read-only"           // 29, as the next ones
	TableFull         Kind = "table-full"
	TableLocked       Kind = "table-locked"
	TooManyClients    Kind = "too-many-clients"
	StatementTimeouts Kind = "statement-timeouts"
	Commits150        Kind = "commits-150ms" // 30, as the next ones
	Commits450        Kind = "commits-450ms"
	Commits1500       Kind = "commits-1500ms"
	SilentPostgres    Kind = "postgres-silent"      // 31
	NATSServer        Kind = "nats-server"          // 32, each of three in turn
	NATSServerAndNode Kind = "nats-server-and-node" // 33
)

// Moment is when the clock of a goal starts.
type Moment string

// The moments.
const (
	FromStart Moment = "start" // of the fault
	FromHeal  Moment = "heal"  // when what was broken is back
)

// Entry is what the catalogue says of a fault.
type Entry struct {
	Kind Kind
	// Goal is the longest time that no client of a schedule gets an answer, after Since.
	Goal  time.Duration
	Since Moment
	// Shortest and Longest bound how long it lasts; a fault that is over at once has zero.
	Shortest, Longest time.Duration
	// Nodes is how many nodes there must be for the fault to mean anything.
	Nodes int
	// NATS is how many NATS servers there must be for it; zero: one will do.
	NATS int
	// Disk is true if Postgres needs a file system of its own, which takes the right to
	// mount.
	Disk bool
	// Failpoint is true if the nodes must be built with the tag failpoint.
	Failpoint bool
	// Refuses is true if Postgres refuses to write and nothing else is wrong: what needs no
	// write goes on.
	Refuses bool
}

// Catalogue lists every fault that can be injected, in a fixed order: plans depend on it.
func Catalogue() []Entry {
	const (
		ms = time.Millisecond
		s  = time.Second
	)
	return []Entry{
		{Kind: Kill, Goal: 3 * s, Since: FromStart, Shortest: 500 * ms, Longest: 3 * s, Nodes: 1},
		{Kind: Pause, Goal: 3 * s, Since: FromStart, Shortest: 1500 * ms, Longest: 5 * s, Nodes: 1},
		{Kind: Term, Goal: 3 * s, Since: FromStart, Nodes: 1},
		{Kind: Rolling, Goal: 500 * ms, Since: FromStart, Nodes: 2},
		{Kind: Join, Goal: 500 * ms, Since: FromStart, Longest: 3 * s, Shortest: 2 * s, Nodes: 2},
		{Kind: CutPostgres, Goal: 3 * s, Since: FromStart, Shortest: 2 * s, Longest: 6 * s, Nodes: 1},
		{Kind: CutNATS, Goal: 3 * s, Since: FromStart, Shortest: 1 * s, Longest: 5 * s, Nodes: 1},
		{Kind: CutNodes, Goal: 3 * s, Since: FromHeal, Shortest: 1 * s, Longest: 4 * s, Nodes: 2},
		{Kind: CutNodesOneWay, Goal: 3 * s, Since: FromHeal, Shortest: 1 * s, Longest: 4 * s, Nodes: 2},
		{Kind: CutAll, Goal: 3 * s, Since: FromStart, Shortest: 1500 * ms, Longest: 5 * s, Nodes: 2},
		{Kind: FreezeNATS, Goal: 500 * ms, Since: FromStart, Shortest: 4 * s, Longest: 4 * s, Nodes: 1},
		{Kind: RestartNATS, Goal: 3 * s, Since: FromStart, Shortest: 200 * ms, Longest: 2 * s, Nodes: 1},
		{Kind: WipeNATS, Goal: 3 * s, Since: FromStart, Shortest: 200 * ms, Longest: 2 * s, Nodes: 1},
		{Kind: RestartPostgres, Goal: 3 * s, Since: FromHeal, Shortest: 100 * ms, Longest: 1 * s, Nodes: 1},
		{Kind: SlowPostgres, Goal: 3 * s, Since: FromStart, Shortest: 2 * s, Longest: 4 * s, Nodes: 1},
		{Kind: StuckCommits, Goal: 3 * s, Since: FromHeal, Shortest: 1 * s, Longest: 4 * s, Nodes: 1},
		{Kind: DropConnections, Goal: 500 * ms, Since: FromStart, Nodes: 1},
		{Kind: SlowClients, Goal: 500 * ms, Since: FromStart, Shortest: 12 * s, Longest: 12 * s, Nodes: 1},
		{Kind: PoisonSnapshots, Goal: 3 * s, Since: FromStart, Nodes: 1},
		{Kind: Activations, Goal: 3 * s, Since: FromStart, Nodes: 1},
		{Kind: Expiries, Goal: 3 * s, Since: FromStart, Nodes: 1},
		{Kind: KillAll, Goal: 3 * s, Since: FromHeal, Shortest: 500 * ms, Longest: 2 * s, Nodes: 1},
		{Kind: KillCrowd, Goal: 5 * s, Since: FromStart, Shortest: 1 * s, Longest: 2 * s, Nodes: 2},
		{Kind: LostAnswers, Goal: 1 * s, Since: FromStart, Shortest: 1 * s, Longest: 2 * s, Nodes: 1},
		{Kind: ReadOnly, Goal: 3 * s, Since: FromHeal, Shortest: 2 * s, Longest: 4 * s, Nodes: 1, Refuses: true},
		{Kind: TableFull, Goal: 3 * s, Since: FromHeal, Shortest: 2 * s, Longest: 4 * s, Nodes: 1, Refuses: true},
		{Kind: TableLocked, Goal: 3 * s, Since: FromHeal, Shortest: 2 * s, Longest: 4 * s, Nodes: 1, Refuses: true},
		{Kind: TooManyClients, Goal: 3 * s, Since: FromHeal, Shortest: 2 * s, Longest: 4 * s, Nodes: 1, Refuses: true},
		{Kind: StatementTimeouts, Goal: 3 * s, Since: FromHeal, Shortest: 4 * s, Longest: 6 * s, Nodes: 1, Refuses: true},
		{Kind: Commits150, Goal: 3 * s, Since: FromStart, Shortest: 3 * s, Longest: 4 * s, Nodes: 1},
		{Kind: Commits450, Goal: 3 * s, Since: FromStart, Shortest: 3 * s, Longest: 4 * s, Nodes: 1},
		{Kind: Commits1500, Goal: 5 * s, Since: FromStart, Shortest: 4 * s, Longest: 6 * s, Nodes: 1},
		{Kind: SilentPostgres, Goal: 5 * s, Since: FromStart, Nodes: 1},
		{Kind: NATSServer, Goal: 500 * ms, Since: FromStart, Shortest: 24 * s, Longest: 24 * s, Nodes: 1, NATS: 3},
		{Kind: NATSServerAndNode, Goal: 3 * s, Since: FromStart, Shortest: 8 * s, Longest: 12 * s, Nodes: 2, NATS: 3},
		{Kind: DiskFull, Goal: 3 * s, Since: FromHeal, Shortest: 2 * s, Longest: 5 * s, Nodes: 1, Disk: true},
		{Kind: KillBeforeAppend, Goal: 3 * s, Since: FromStart, Shortest: 500 * ms, Longest: 2 * s, Nodes: 1, Failpoint: true},
		{Kind: KillCommitSent, Goal: 3 * s, Since: FromStart, Shortest: 500 * ms, Longest: 2 * s, Nodes: 1, Failpoint: true},
		{Kind: KillBeforeReply, Goal: 3 * s, Since: FromStart, Shortest: 500 * ms, Longest: 2 * s, Nodes: 1, Failpoint: true},
		{Kind: KillBeforePublish, Goal: 3 * s, Since: FromStart, Shortest: 500 * ms, Longest: 2 * s, Nodes: 1, Failpoint: true},
		{Kind: KillActivation, Goal: 3 * s, Since: FromStart, Shortest: 500 * ms, Longest: 2 * s, Nodes: 1, Failpoint: true},
		{Kind: PauseTransaction, Goal: 3 * s, Since: FromStart, Shortest: 3 * s, Longest: 5 * s, Nodes: 1, Failpoint: true},
		{Kind: SkewClock, Goal: 3 * s, Since: FromStart, Shortest: 3 * s, Longest: 5 * s, Nodes: 1, Failpoint: true},
	}
}

// Find returns the catalogue's entry of a kind.
func Find(kind Kind) (Entry, bool) {
	all := Catalogue()
	i := slices.IndexFunc(all, func(e Entry) bool { return e.Kind == kind })
	if i < 0 {
		return Entry{}, false
	}
	return all[i], true
}

// GoalWith is the goal when there are only so many nodes: one node alone cannot answer
// while it is away, so that the clock starts when it is back.
func (e Entry) GoalWith(nodes int) (time.Duration, Moment) {
	if nodes > 1 {
		return e.Goal, e.Since
	}
	return max(e.Goal, time.Second), FromHeal
}
