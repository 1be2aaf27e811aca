package cluster

import (
	"context"
	"errors"
	"time"
)

// judge checks the ages of the others and evicts the overdue ones: one at a time, because a
// write may take long, and a member that was overdue before it need not be so after.
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
		var first member // as it was last heard of
		if len(overdue) > 0 {
			first = *overdue[0]
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

// evict writes a member's last record in its place. It does nothing if the member has
// written anything meanwhile, or somebody else was first; the watch will show it.
func (m *membership) evict(v member) {
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
