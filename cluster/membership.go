package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// membership keeps this node in the bucket, watches the others, and evicts those that fall
// silent. Three goroutines share it: one sends heartbeats, one watches, one judges.
type membership struct {
	cfg   Config
	store store
	lease *Lease
	log   *slog.Logger
	// apply is called with each new view, in order; when it returns, the node no longer
	// answers for anything that it does not own by that view.
	apply func(v *view)
	// distrust gives up every grain: another member may have activated it meanwhile.
	distrust func()
	// census counts this node's grains by kind.
	census func() map[string]int

	ctx   context.Context // ends with stop
	stop  context.CancelFunc
	tasks sync.WaitGroup

	beatNow chan struct{} // holds a token: send a heartbeat at once
	reopen  chan struct{} // holds a token: open and watch again
	synced  chan struct{} // closed when all records that were there have been applied
	joined  chan struct{} // closed when this node's own record came back
	leased  chan struct{} // closed when this node's own record was acknowledged
	fenced  chan struct{} // closed when this node was evicted
	changed chan struct{} // closed and replaced on each new view; under mu

	mu     sync.Mutex
	roster *roster
	own    record // what to write next; Seen, Store and Grains are filled in then
	base   uint64 // the revision of what stands in the bucket
	deaf   bool   // until the bucket is opened again: what the watch tells is of one that was lost
	view   *view
	able   ability
}

func newMembership(cfg Config, s store, lease *Lease, own record) *membership {
	m := &membership{
		cfg: cfg, store: s, lease: lease, log: cfg.Logger, own: own,
		beatNow: make(chan struct{}, 1),
		reopen:  make(chan struct{}, 1),
		synced:  make(chan struct{}),
		joined:  make(chan struct{}),
		leased:  make(chan struct{}),
		fenced:  make(chan struct{}),
		changed: make(chan struct{}),
		roster:  newRoster(own.ID, cfg.Expiry, cfg.BlindAfter, cfg.Now()),
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.view = m.roster.view()
	return m
}

// join reads the members' records, writes this node's own, and returns when that has come
// back from the bucket.
func (m *membership) join(ctx context.Context) error {
	m.tasks.Go(m.watch)
	if err := m.await(ctx, m.synced); err != nil {
		return fmt.Errorf("read the members: %w", err)
	}
	m.mu.Lock()
	if m.view.stranger(m.own.dialect()) != nil {
		m.own.State = stateSuspended
	}
	m.mu.Unlock()
	m.tasks.Go(m.beat)
	m.tasks.Go(m.judge)
	if err := m.await(ctx, m.joined); err != nil {
		return fmt.Errorf("become a member: %w", err)
	}
	if err := m.await(ctx, m.leased); err != nil {
		return fmt.Errorf("get a lease: %w", err)
	}
	return nil
}

func (m *membership) await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-m.fenced:
		return errors.New("evicted")
	case <-m.ctx.Done():
		return errors.New("stopped")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// setState changes what this node says about itself, at once.
func (m *membership) setState(s state) {
	m.mu.Lock()
	m.own.State = s
	m.mu.Unlock()
	poke(m.beatNow)
}

// until waits for a view that satisfies a condition.
func (m *membership) until(ctx context.Context, fulfilled func(*view) bool) error {
	for {
		m.mu.Lock()
		v, changed := m.view, m.changed
		m.mu.Unlock()
		if fulfilled(v) {
			return nil
		}
		if err := m.await(ctx, changed); err != nil {
			return err
		}
	}
}

// leave stops the goroutines and writes this node's last record.
func (m *membership) leave(ctx context.Context) error {
	m.stop()
	m.tasks.Wait()
	if isClosed(m.fenced) {
		return nil
	}
	m.mu.Lock()
	m.own.State = stateLeft
	present := m.base != 0
	m.mu.Unlock()
	for present {
		again, err := m.say(ctx)
		if err != nil || !again {
			return err
		}
	}
	return nil
}

// beat writes this node's record at every interval, and whenever it has changed.
func (m *membership) beat() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.fenced:
			return
		case <-m.beatNow:
		case <-pause.C:
		}
		began := m.cfg.Now()
		again, err := m.say(m.ctx)
		took := m.cfg.Now().Sub(began)
		if m.cfg.Observer.Heartbeat != nil && m.ctx.Err() == nil {
			m.cfg.Observer.Heartbeat(took, err)
		}
		switch {
		case again:
			pause.Reset(minBackoff)
		case err != nil:
			m.log.Debug("heartbeat was not acknowledged", "error", err, "took", took)
			pause.Reset(reopenPause)
		default:
			pause.Reset(max(0, m.cfg.HeartbeatInterval-took))
		}
	}
}

// say writes this node's record once. Again is true if it was not written, but another
// attempt may succeed at once. A lost attempt, because the server that this node was
// connected to is gone, must end early enough for another one before the others give this
// node up.
func (m *membership) say(ctx context.Context) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.BlindAfter/sayFraction)
	defer cancel()
	m.mu.Lock()
	rec, base := m.own, m.base
	rec.Seen, rec.Store = m.roster.revision, m.roster.store
	m.mu.Unlock()
	rec.Grains = m.census()
	value, err := rec.encode()
	if err != nil {
		return false, err
	}
	sent := m.cfg.Now()
	revision, err := m.store.write(ctx, rec.ID, value, base)
	switch {
	case err == nil:
		m.acknowledged(base, revision, sent)
		return false, nil
	case errors.Is(err, errConflict):
		return m.resolve(ctx)
	case errors.Is(err, errNoStore):
		poke(m.reopen)
	}
	return false, err
}

// acknowledged extends the lease: the bucket accepted the record, which proves that nobody
// had evicted this node, and nobody will within an expiry after it was sent.
func (m *membership) acknowledged(base, revision uint64, sent time.Time) {
	m.mu.Lock()
	if m.base == base { // otherwise the bucket was lost meanwhile
		m.base = revision
	}
	m.mu.Unlock()
	m.lease.extend(sent.Add(m.cfg.Expiry - m.cfg.Expiry/leaseMargin))
	if !isClosed(m.leased) { // only the heartbeat's goroutine comes here before leave
		close(m.leased)
	}
}

// resolve finds out why the bucket refused this node's record.
func (m *membership) resolve(ctx context.Context) (again bool, err error) {
	value, revision, err := m.store.read(ctx, m.own.ID)
	if errors.Is(err, errMissing) {
		m.mu.Lock()
		m.lost(m.roster.store)
		m.deaf = true
		m.mu.Unlock()
		poke(m.reopen)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	rec, err := decodeRecord(value)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !rec.member() {
		m.fence(rec)
		return false, nil
	}
	m.base = revision // an attempt whose answer was lost
	return true, nil
}

// lost handles a bucket that has no record of this node any more, not even that it was
// evicted. Its revisions begin anew, even if store is the same as before: a bucket in the
// memory of several NATS servers comes back empty when all of them are started again.
//
// If the lease is still valid, nobody can have evicted this node before the record was lost.
// If not, somebody may have, and taken over: then every grain is given up before the lease
// becomes valid again. The caller holds mu.
func (m *membership) lost(store string) {
	m.base = 0
	if !m.lease.fresh() {
		m.distrust()
	}
	m.roster.newStore(store, m.cfg.Now())
	m.publish()
}

// fence handles the eviction of this node. The caller holds mu.
func (m *membership) fence(rec record) {
	if isClosed(m.fenced) || m.own.State == stateLeft {
		return
	}
	m.lease.revoke()
	m.log.Error("this node was evicted and must end", "by", rec.By)
	close(m.fenced)
}

// records returns all members' last records, and this node's current one.
func (m *membership) records() []record {
	own := m.census()
	m.mu.Lock()
	defer m.mu.Unlock()
	records := m.roster.list()
	for i := range records {
		if records[i].ID == m.own.ID {
			records[i].Grains = own
		}
	}
	return records
}

// isClosed reports whether a channel that carries nothing is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// poke puts a token into a channel that holds one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
