package actors

import (
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
)

// show reports to replicas what a durable batch changed. While there are none, every batch
// counts as a change, which costs nothing and never misses one.
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

// unwatch reports that this activation no longer vouches for its view.
func (s *shell) unwatch() {
	if s.watched {
		s.watched = false
		s.cfg.Views.Ended(boxoffice.Grain{Kind: s.kind, ID: s.id}, s.state.Epoch)
	}
}

// stamped adds to an answer the point of the view that it shows.
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
