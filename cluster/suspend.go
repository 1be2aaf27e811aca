package cluster

import "time"

// ability is whether this node has what its grains need.
type ability struct {
	unable bool
	since  time.Time
}

// SetAble says whether this node has what its grains need to work, a database say. It is
// to be told of every finding, also of one that is as before. Until the first one a node
// counts as able.
//
// A node that stays unable while another one is able gives its grains to the others: it is
// suspended. It can still be reached, and calls the grains where they are now. It owns
// grains again when it has been able for a while. Where nobody is able nobody is
// suspended: grains that move would find nothing better elsewhere.
func (n *Node) SetAble(able bool) {
	if n.membership != nil {
		n.membership.setAble(able)
	}
}

// setAble takes note of a finding, and tells the others at once where it is news: they
// must know who else is unable before anybody gives its grains away for it.
func (m *membership) setAble(able bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.able.unable == !able {
		return
	}
	m.able = ability{unable: !able, since: m.cfg.Now()}
	m.own.Unable = !able
	poke(m.beatNow)
	if able {
		m.log.Info("this node is able again")
	} else {
		m.log.Warn("this node is unable to do its grains' work")
	}
}

// reconsider suspends this node, or ends that. The caller holds mu.
func (m *membership) reconsider(now time.Time, blind bool) {
	lasts := now.Sub(m.able.since)
	switch {
	case blind:
		// It cannot tell who could take over, nor be heard.
	case m.own.State == stateReady && m.roster.elder(m.own):
		m.own.State = stateSuspended // Node.Health says why
		poke(m.beatNow)
	case m.own.State == stateSuspended && m.view.stranger(m.own.dialect()) != nil:
	case m.own.State == stateReady && m.able.unable && lasts >= unableFor && m.roster.relief(now, unableFor):
		m.log.Warn("this node gives its grains to others, who are able", "unable", lasts)
		m.own.State = stateSuspended
		poke(m.beatNow)
	case m.own.State == stateSuspended && !m.able.unable && lasts >= ableFor:
		m.log.Info("this node takes grains again", "able", lasts)
		m.own.State = stateReady
		poke(m.beatNow)
	}
}
