package cluster

import (
	"context"
	"errors"
	"sync"
	"time"
)

// watch follows the bucket, and starts again when it has to.
func (m *membership) watch() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-pause.C:
		}
		if err := m.watchOnce(); m.ctx.Err() == nil {
			m.log.Debug("watching the members anew", "error", err)
		}
		pause.Reset(reopenPause)
	}
}

var errReopen = errors.New("nothing of this node came back")

// watchOnce follows one incarnation of the bucket until the watch breaks or somebody
// asks for another one.
func (m *membership) watchOnce() error {
	ctx, cancel := context.WithCancelCause(m.ctx)
	defer cancel(nil)
	opening, opened := context.WithTimeout(ctx, m.cfg.Expiry)
	incarnation, _, err := m.store.open(opening)
	opened()
	if err != nil {
		return err
	}
	select {
	case <-m.reopen: // the request is already fulfilled
	default:
	}
	m.open(incarnation)
	var asked sync.WaitGroup
	asked.Go(func() {
		select {
		case <-ctx.Done():
		case <-m.reopen:
			cancel(errReopen)
		}
	})
	err = m.store.watch(ctx, m.observe)
	cancel(nil)
	asked.Wait()
	return err
}

// open records which incarnation of the bucket it is.
func (m *membership) open(incarnation string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf = false
	switch m.roster.store {
	case incarnation:
		return
	case "":
		m.roster.newStore(incarnation, m.cfg.Now())
		m.publish()
	default:
		m.log.Warn("the members' bucket is a new one")
		m.lost(incarnation)
	}
	poke(m.beatNow)
}

// observe applies one change of the bucket.
func (m *membership) observe(c change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deaf {
		return
	}
	if c.complete {
		if !isClosed(m.synced) {
			close(m.synced)
			m.publish()
		}
		return
	}
	rec, err := decodeRecord(c.value)
	if err != nil {
		m.log.Warn("unreadable record in the members' bucket", "error", err)
		return
	}
	if rec.ID == m.own.ID && !rec.member() {
		m.fence(rec)
		return
	}
	before := m.roster.changed
	if m.roster.observe(rec, c.revision, m.cfg.Now()) {
		m.publish()
	}
	if m.roster.changed != before {
		attributes := []any{"member", rec.ID, "state", rec.State, "address", rec.Address, "http", rec.HTTPAddress}
		if rec.By != "" {
			attributes = append(attributes, "by", rec.By)
		}
		m.log.Info("members changed", attributes...)
		poke(m.beatNow) // publish that it was applied
	}
	if rec.ID == m.own.ID && !isClosed(m.joined) {
		close(m.joined)
	}
}

// publish makes the roster's view the node's. The caller holds mu.
func (m *membership) publish() {
	if !isClosed(m.synced) {
		return // the view is not complete yet
	}
	v := m.roster.view()
	m.apply(v)
	m.view = v
	close(m.changed)
	m.changed = make(chan struct{})
}
