package cluster

import "time"

// ability says whether this node has what its grains need.
type ability struct {
	unable bool
	since  time.Time
}

// SetAble records whether this node has what its grains need to work, such as a database.
// Call it after every check, even if nothing has changed. Until the first call a node
// counts as able.
//
// A node that stays unable while another one is able hands its grains over to the others:
// it is suspended. It can still be reached, and calls the grains where they are now. It
// owns grains again when it has been able for a while. If nobody is able, nobody is
// suspended: moving the grains would not help.
func (n *Node) SetAble(able bool) {
	if n.membership != nil {
		n.membership.setAble(able)
	}
}

// setAble records a finding, and publishes a change at once: members must know who else is
// unable before one of them hands its grains over.
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

// reconsider suspends this node, or ends its suspension. The caller holds mu.
func (m *membership) reconsider(now time.Time, blind bool) {
	lasts, before := now.Sub(m.able.since), m.own.State
	switch {
	case blind:
		// The node cannot know who could take over, and cannot be heard.
	case m.own.State == stateReady && m.roster.elder(m.own):
		m.own.State = stateSuspended // Node.Health says why
	case m.own.State == stateSuspended && m.view.stranger(m.own.dialect()) != nil:
	case m.own.State == stateReady && m.able.unable && lasts >= unableFor && m.roster.relief(now, unableFor):
		m.log.Warn("this node gives its grains to others, who are able", "unable", lasts)
		m.own.State = stateSuspended
	case m.own.State == stateSuspended && !m.able.unable && lasts >= ableFor:
		m.log.Info("this node takes grains again", "able", lasts)
		m.own.State = stateReady
	}
	if m.own.State != before {
		poke(m.beatNow)
	}
}
