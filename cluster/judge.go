package cluster

import (
	"context"
	"errors"
	"time"
)

// judge ages the others and evicts who is overdue: one at a time, for writing takes as long
// as the store likes, and who was overdue before need not be so after.
func (m *membership) judge() {
	tick := time.NewTicker(m.cfg.HeartbeatInterval / ticksPerBeat)
	defer tick.Stop()
	var blindSince, asked time.Time
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.fenced:
			return
		case <-tick.C:
		}
		now := m.cfg.Now()
		m.mu.Lock()
		overdue := m.roster.judge(now)
		blind := m.roster.isBlind(now)
		m.reconsider(now, blind)
		var first victim
		if len(overdue) > 0 {
			first = victim{overdue[0].record, overdue[0].revision}
		}
		m.mu.Unlock()
		switch {
		case !blind && !blindSince.IsZero():
			m.log.Info("sees the cluster again", "after", now.Sub(blindSince))
			blindSince = time.Time{}
		case blind && blindSince.IsZero():
			m.log.Warn("cannot see the cluster: heartbeats do not come back; judging nobody")
			blindSince = now
			fallthrough
		case blind && now.Sub(asked) > m.cfg.BlindAfter:
			asked = now
			poke(m.reopen)
		}
		if len(overdue) > 0 {
			m.evict(first)
		}
	}
}

// victim is a member that is to be evicted, as it was last heard of.
type victim struct {
	record   record
	revision uint64
}

// evict writes a member's last record in its place. It fails if the member has said
// anything meanwhile, or somebody else was first; the watch will tell.
func (m *membership) evict(v victim) {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.BlindAfter)
	defer cancel()
	last := v.record
	last.State, last.By, last.Grains = stateEvicted, m.own.ID, nil
	value, err := last.encode()
	if err != nil {
		m.log.Error("cannot evict a silent member", "member", last.ID, "error", err)
		return
	}
	_, err = m.store.write(ctx, last.ID, value, v.revision)
	if errors.Is(err, errConflict) && v.revision != 0 {
		if _, _, missing := m.store.read(ctx, last.ID); errors.Is(missing, errMissing) {
			_, err = m.store.write(ctx, last.ID, value, 0)
		}
	}
	switch {
	case err == nil:
		m.log.Warn("evicted a silent member", "member", last.ID, "address", last.Address)
		if m.cfg.Observer.Evicted != nil {
			m.cfg.Observer.Evicted(last.ID)
		}
	case !errors.Is(err, errConflict):
		m.log.Warn("could not evict a silent member", "member", last.ID, "error", err)
	}
}
