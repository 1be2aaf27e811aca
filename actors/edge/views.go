package edge

import (
	"boxoffice"
	"boxoffice/actors/messages"
)

// The grains of the edge's own node call it here (actors.Views): what they show goes into
// the replicas of this node at once, and to the other nodes with the next message of the
// feed.

// Watched implements actors.Views.
func (e *Edge) Watched(grain boxoffice.Grain, epoch int64, watcher string) *messages.Mark {
	if watcher != e.cfg.MemberID {
		e.outbox.watch(grain, epoch, e.cfg.Clock.Now().Add(watchedFor))
	}
	return &messages.Mark{MemberId: e.cfg.MemberID, Counter: e.outbox.mark()}
}

// Changed implements actors.Views.
func (e *Edge) Changed(change *messages.Change) (watched bool) {
	grain := boxoffice.Grain{Kind: boxoffice.Kind(change.GetKind()), ID: change.GetId()}
	told := e.outbox.change(grain, change, e.cfg.Clock.Now())
	shelf := e.of(change.GetKind())
	if shelf == nil {
		return told
	}
	r := shelf.get(grain.ID)
	if r != nil {
		r.take(change)
	}
	return told || r != nil
}

// Ended implements actors.Views.
func (e *Edge) Ended(grain boxoffice.Grain, epoch int64) {
	e.outbox.ended(grain, epoch)
	if shelf := e.of(string(grain.Kind)); shelf != nil {
		if r := shelf.get(grain.ID); r != nil {
			r.take(endOf(grain, epoch))
		}
	}
}
