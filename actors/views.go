package actors

import (
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
)

// show tells those who keep replicas what a durable batch changed. While nobody does,
// every batch counts as a change: that costs nothing and is never too few.
func (s *shell) show(b *batch) {
	if !s.watched {
		s.view++
		return
	}
	change := s.machine.change(b)
	if change == nil {
		return
	}
	s.view++
	change.Kind, change.Id = string(s.kind), s.id
	change.Epoch, change.Version = s.state.Epoch, s.view
	s.watched = s.cfg.Views.Changed(change)
}

// watch answers a member with the whole view, and a mark of where it begins.
func (s *shell) watch(watcher string) proto.Message {
	mark := s.cfg.Views.Watched(boxoffice.Grain{Kind: s.kind, ID: s.id}, s.state.Epoch, watcher)
	mark.Epoch, mark.Version = s.state.Epoch, s.view
	whole, err := s.machine.watch(mark)
	if err != nil {
		return refusalMessage(boxoffice.Errorf(boxoffice.CodeInternal, "%v", err))
	}
	s.watched = true
	return whole
}

// unwatch tells that this activation does not vouch for its view any more.
func (s *shell) unwatch() {
	if s.watched {
		s.watched = false
		s.cfg.Views.Ended(boxoffice.Grain{Kind: s.kind, ID: s.id}, s.state.Epoch)
	}
}

// stamped notes on an answer which point of the view it shows.
func (s *shell) stamped(m proto.Message) proto.Message {
	epoch, version := s.state.Epoch, s.view
	switch m := m.(type) {
	case *messages.Outcome:
		m.ViewEpoch, m.ViewVersion = epoch, version
	case *messages.SeatMap:
		m.ViewEpoch, m.ViewVersion = epoch, version
	case *messages.Place:
		m.ViewEpoch, m.ViewVersion = epoch, version
	case *messages.Left:
		m.ViewEpoch, m.ViewVersion = epoch, version
	case *messages.QueueStatus:
		m.ViewEpoch, m.ViewVersion = epoch, version
	case *messages.Refusal:
		m.ViewEpoch, m.ViewVersion = epoch, version
	}
	return m
}
