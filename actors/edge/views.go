package edge

import (
	"boxoffice"
	"boxoffice/actors/messages"
)

// Watched implements actors.Views.
func (e *Edge) Watched(boxoffice.Grain, int64, string) *messages.Mark {
	return &messages.Mark{MemberId: e.cfg.MemberID}
}

// Changed implements actors.Views.
func (e *Edge) Changed(*messages.Change) (watched bool) { return false }

// Ended implements actors.Views.
func (e *Edge) Ended(boxoffice.Grain, int64) {}
