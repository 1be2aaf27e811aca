package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"boxoffice"
)

// Bounds of the journal.
const (
	journalFlushers = 2   // groups that are written at a time, at most
	maxGroup        = 500 // commits of one group
	// worthAnother is how many commits that wait are always worth another group beside one
	// that is under way. Fewer are if they are as many as are in that one: a smaller group
	// would cost as much as a larger one that begins a moment later, and two small ones
	// at a time serve nobody sooner. Of many that wait each flusher takes its share.
	worthAnother = 64
	// longGroup is how long a group may be under way before waiting commits get another
	// group whatever their number: the disk is slow, or a row is locked.
	longGroup    = 50 * time.Millisecond
	maxGroupRows = 20_000 // rows of one group; a commit with more is a group of its own
	// maxWait is how long the oldest commit may have waited for its group before further
	// ones are refused at once, as they would wait too long. Commits of waiting rooms are
	// not refused: there is one per room however many ask, and a room whose commit is
	// refused has to be restored.
	maxWait = time.Second
	// stuckAfter is how long a commit may wait, its writing included, before the journal is
	// not ready, and how long the journal is not ready after a group that found no
	// connection.
	stuckAfter = 1500 * time.Millisecond
	// DefaultMaxQueued is how many commits may wait when JournalConfig does not say.
	DefaultMaxQueued = 20_000
	// largeStatementTimeout and largeGroupTimeout are for a commit with more rows than a
	// group may have: a waiting room that lets in a hundred thousand at once.
	largeStatementTimeout = 10 * statementTimeout
	largeGroupTimeout     = largeStatementTimeout + time.Second
)

// Reasons for the journal not to try a commit at all.
var (
	errQueueFull     = errors.New("too many commits wait")
	errQueueSlow     = errors.New("commits wait too long")
	errNoConnection  = errors.New("commits find no connection")
	errJournalClosed = errors.New("the journal is closed")
)

// JournalConfig configures a Journal. Its zero value is usable, but logs and reports
// nothing.
type JournalConfig struct {
	// MaxQueued bounds the commits that wait to be written; past it they are refused.
	// 0 means DefaultMaxQueued.
	MaxQueued int
	// Observe, if not nil, is called after each group. It must not block.
	Observe func(GroupReport)
	// Now, if not nil, measures how long groups take and commits wait; it must be
	// monotonic. Without it no commit is refused because others have waited too long.
	Now func() time.Time
	// Logger logs commits that can never be written; nil: nothing is logged.
	Logger *slog.Logger
}

// GroupReport is the result of writing one group of commits.
type GroupReport struct {
	Commits     int
	Events      int // of the commits that became durable
	Durable     int // commits, of these:
	Fenced      int
	Refused     int
	Unavailable int // nothing written, may be tried again
	Unknown     int
	Rejected    int // can never be written: a bug of the program
	// Transactions is 1 if all went well at the first attempt.
	Transactions int
	Duration     time.Duration // 0 without JournalConfig.Now
}

// Journal makes the commits of this node's grains durable, many in one transaction
// (group commit). It is safe for concurrent use.
//
// A group consists of what arrived while the one before was written; no commit waits for
// others to arrive.
//
// A group is first written in one pipelined round trip that is one implicit transaction, in
// which every condition (the fence, the places in line of holds, the accounts of payments)
// is a number of rows that must be touched; if one fails, or if points are refunded, the
// group is written in two: the first locks and reads, in key order, what the conditions
// depend on, and the second writes what passed and commits.
type Journal struct {
	db      *Database
	config  JournalConfig
	running sync.WaitGroup // the flushers

	mu     sync.Mutex
	work   sync.Cond // signalled when mayTake may have become true, or closed changes
	queue  []*pending
	prompt int // groups under way for less than longGroup
	newest int // commits of the group that was taken last
	closed bool
	// flushers are those that write groups.
	flushers [journalFlushers]flusher
	lost     time.Time // when the newest group lost its connection or found none; zero: it did not
}

// flusher is one that writes groups, as the others see it.
type flusher struct {
	writes bool // a group is under way
	lost   bool // its last group lost its connection or found none
	// underWay is since when the oldest commit of its group has waited; zero: it writes none,
	// or a large one.
	underWay time.Time
}

// pending is a commit that waits to be written: a grain's, or a charge or a registration,
// which are of no grain.
type pending struct {
	commit boxoffice.Commit
	rows   *changes
	done   func(boxoffice.CommitResult)
	since  time.Time // when it began to wait; zero without JournalConfig.Now
}

// isLarge reports whether a group is one commit with more rows than a group may have.
func isLarge(group []*pending) bool { return len(group) == 1 && group[0].rows.size() > maxGroupRows }

// timeoutOf bounds the writing of a group.
func timeoutOf(group []*pending) time.Duration {
	if isLarge(group) {
		return largeGroupTimeout
	}
	return answerTimeout
}

// NewJournal starts a journal. Close it before its Database.
func NewJournal(db *Database, config JournalConfig) *Journal {
	if config.MaxQueued == 0 {
		config.MaxQueued = DefaultMaxQueued
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	j := &Journal{db: db, config: config}
	j.work.L = &j.mu
	for i := range journalFlushers {
		j.running.Go(func() { j.flush(i) })
	}
	return j
}

// Commit makes c durable and calls done with the result, exactly once: from another
// goroutine, or before it returns if the commit cannot be queued. It never blocks; done
// must not block either.
//
// The result's Err is nil, or
//   - wraps [boxoffice.ErrFenced]: another epoch or version owns the grain;
//   - wraps [boxoffice.ErrUnknown]: the connection broke or nothing came back in time;
//   - is a [boxoffice.Error] with the code unavailable: nothing was written, for a reason
//     that has nothing to do with the commit (overload, no connection, a row that is
//     locked, a full disk). The state that it was decided on is still good, and the same
//     commit may be tried again;
//   - is anything else: nothing was written and never will be, because a constraint of the
//     database forbids it. That is a bug of this program: the journal logs it, and the
//     grain has to drop its state.
//
// A commit without events, answers and snapshot asks whether its epoch and version are
// the grain's newest.
func (j *Journal) Commit(c boxoffice.Commit, done func(boxoffice.CommitResult)) {
	rows, err := changesOf(c)
	if err != nil {
		done(boxoffice.CommitResult{Err: j.rejected(c, err)})
		return
	}
	if err := j.enqueue(&pending{commit: c, rows: rows, done: done}); err != nil {
		done(boxoffice.CommitResult{Err: err})
	}
}

func (j *Journal) enqueue(p *pending) error {
	if j.config.Now != nil {
		p.since = j.config.Now()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case p.commit.Grain.Kind != boxoffice.KindGatekeeper && len(j.queue) > 0 && p.since.Sub(j.queue[0].since) > maxWait:
		return boxoffice.Unavailable(errQueueSlow)
	case j.closed:
		return boxoffice.Unavailable(errJournalClosed)
	case len(j.queue) >= j.config.MaxQueued:
		return boxoffice.Unavailable(errQueueFull)
	}
	j.queue = append(j.queue, p)
	if j.mayTake() {
		j.work.Signal()
	}
	return nil
}

// rejected logs a commit that can never be written, and returns why.
func (j *Journal) rejected(c boxoffice.Commit, cause error) error {
	operations := make([]string, 0, len(c.Events))
	for _, e := range c.Events {
		operations = append(operations, fmt.Sprintf("%T %v", e.Data, e.OperationID))
	}
	j.config.Logger.Error("commit can never be written",
		"kind", c.Grain.Kind, "id", c.Grain.ID, "epoch", c.Epoch, "version", c.Version,
		"events", operations, "error", cause)
	return fmt.Errorf("commit of %s %d at version %d is rejected: %w", c.Grain.Kind, c.Grain.ID, c.Version, cause)
}

// QueueLength returns how many commits wait to be taken into a group.
func (j *Journal) QueueLength() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.queue)
}

// Close refuses new commits, writes those that wait, and returns when all of them were
// answered. Without a database that takes seconds at most: they are refused.
func (j *Journal) Close() {
	j.mu.Lock()
	j.closed = true
	j.work.Broadcast()
	j.mu.Unlock()
	j.running.Wait()
}

// Ready fails with unavailable unless the database answers and commits make progress.
// Without JournalConfig.Now it cannot judge the latter.
func (j *Journal) Ready(ctx context.Context) error {
	if err := j.trouble(); err != nil {
		return boxoffice.Unavailable(err)
	}
	return j.db.Ready(ctx)
}

// trouble returns why commits seem to make no progress; nil: they do.
func (j *Journal) trouble() error {
	if j.config.Now == nil {
		return nil
	}
	now := j.config.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	waiting := make([]time.Time, 0, journalFlushers+1)
	for i := range j.flushers {
		waiting = append(waiting, j.flushers[i].underWay)
	}
	if len(j.queue) > 0 {
		waiting = append(waiting, j.queue[0].since)
	}
	for _, since := range waiting {
		if !since.IsZero() && now.Sub(since) > stuckAfter {
			return errQueueSlow
		}
	}
	if !j.lost.IsZero() && now.Sub(j.lost) < stuckAfter {
		return errNoConnection
	}
	return nil
}

// flush writes groups until the journal is closed and empty.
func (j *Journal) flush(number int) {
	w := &groupWriter{journal: j, number: number}
	for {
		group := j.take(number)
		if group == nil {
			return
		}
		late := time.AfterFunc(longGroup, j.overtaken)
		w.write(context.Background(), group)
		if late.Stop() {
			j.overtaken()
		}
		j.written(number, w.lost)
	}
}

// overtaken allows the next group to be taken after one that is written, or beside one that
// takes long.
func (j *Journal) overtaken() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.prompt--
	j.work.Signal()
}

// written notes how a group ended.
func (j *Journal) written(number int, lost bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flushers[number], j.lost = flusher{lost: lost}, time.Time{}
	if lost && j.config.Now != nil {
		j.lost = j.config.Now()
	}
}

// take waits for commits and cuts a group off the queue. nil: the journal is closed and
// empty. A flusher that has lost its connection leaves the queue to one that writes.
func (j *Journal) take(number int) []*pending {
	j.mu.Lock()
	defer j.mu.Unlock()
	for !j.mayTake() || j.flushers[number].lost && j.anotherWrites(number) {
		if j.closed && len(j.queue) == 0 {
			return nil
		}
		j.work.Wait()
	}
	group, left := cutGroup(j.queue, min(maxGroup, max(worthAnother, len(j.queue)/journalFlushers)))
	j.queue = left
	j.prompt++
	j.newest = len(group)
	j.flushers[number].writes = true
	if !isLarge(group) {
		j.flushers[number].underWay = group[0].since
	}
	if j.mayTake() {
		j.work.Signal() // the other flusher may sleep
	}
	return group
}

// anotherWrites reports whether another flusher writes a group, and had a connection for
// its last one.
func (j *Journal) anotherWrites(number int) bool {
	for i := range j.flushers {
		if i != number && j.flushers[i].writes && !j.flushers[i].lost {
			return true
		}
	}
	return false
}

// mayTake reports whether a flusher that has nothing to do may take a group: at once when
// none is under way, so that commits that arrive while one is written make up the next.
func (j *Journal) mayTake() bool {
	return len(j.queue) > 0 && (j.prompt == 0 || len(j.queue) >= min(j.newest, worthAnother))
}

// cutGroup takes the oldest commits of the queue, so many at most, but one per schedule,
// so that no two of a group touch the same rows of the schedule or its waiting room. What
// is left keeps its order.
func cutGroup(queue []*pending, most int) (group, left []*pending) {
	most = min(most, len(queue))
	group = make([]*pending, 0, most)
	schedules := make(map[int64]struct{}, most)
	rows := 0
	for i, p := range queue {
		size := p.rows.size()
		if len(group) == most || len(group) > 0 && rows+size > maxGroupRows {
			if len(left) == 0 {
				return group, queue[i:]
			}
			return group, append(left, queue[i:]...)
		}
		if id := p.commit.Grain.ID; id != 0 {
			if _, later := schedules[id]; later {
				left = append(left, p)
				continue
			}
			schedules[id] = struct{}{}
		}
		group = append(group, p)
		rows += size
	}
	return group, left
}

// drain takes everything out of the queue, unless another flusher will write it.
func (j *Journal) drain(number int) []*pending {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.anotherWrites(number) {
		return nil
	}
	drained := j.queue
	j.queue = nil
	return drained
}
