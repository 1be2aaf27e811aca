package waitingroom

import (
	"slices"
	"time"
)

// undoLog holds what it takes to restore a room to what it was when the log was begun:
// copies of what is small, and the changes of places one by one.
type undoLog struct {
	open    bool
	batch   int64 // the number of this one, or of the last
	changes []change

	next           uint64
	opened         bool
	settings       settings
	askedBy        time.Time
	settledVersion int64
	// log is a copy of the admission log, once one is needed; its slices are reused.
	log      admissionLog
	savedLog bool
}

// change is one effect of an event.
type change struct {
	place *admittedPlace // of undoAdmit, undoClaim and undoEnd
	n     uint64         // of undoJoin: how many; of undoSettle: the sequence
	at    lineSlot       // of undoLeave and undoAdmit: what was taken out of the line
	kind  changeKind
	owed  bool // of undoSettle: before
}

type changeKind uint8

const (
	undoJoin   changeKind = iota // so many places were pushed
	undoLeave                    // a waiting place ended
	undoAdmit                    // a waiting place became an admitted one
	undoClaim                    // an admitted place was claimed
	undoEnd                      // an admitted place ended
	undoSettle                   // a place that was owed is no longer
)

// Begin starts to record what events change, until Keep or Rollback. Only one log is open
// at a time.
func (r *Room) Begin() {
	u := &r.undo
	if u.open {
		panic("boxoffice: a batch of the waiting room was begun in another")
	}
	u.open = true
	u.batch++
	u.next, u.opened, u.settings, u.askedBy = r.next, r.opened, r.settings, r.askedBy
	u.settledVersion = r.heard.completeVersion()
}

// Keep makes the changes since Begin final. Now is when they became durable, and can be seen:
// the time in which somebody who was let in must be seen does not begin earlier.
func (r *Room) Keep(now time.Time) {
	for _, c := range r.undo.changes {
		if c.kind == undoAdmit {
			r.delayClaim(c.place, now.Sub(c.place.admittedAt))
		}
		if c.kind == undoLeave || c.kind == undoAdmit {
			r.line.drop(c.at)
		}
	}
	r.line.compact()
	r.closeUndo()
}

// delayClaim gives the holder of a place more time to be seen.
func (r *Room) delayClaim(p *admittedPlace, by time.Duration) {
	if by > 0 && r.admitted.places[p.sequence] == p {
		p.askedBy = p.askedBy.Add(by)
		r.admitted.changed(p)
	}
}

// Rollback restores the room to what it was at Begin, except for what it learned by Hear
// and HearRow.
func (r *Room) Rollback() {
	u := &r.undo
	for _, c := range slices.Backward(u.changes) {
		r.takeBack(c)
	}
	if u.savedLog {
		r.log.copyFrom(&u.log)
	}
	r.next, r.opened, r.settings, r.askedBy = u.next, u.opened, u.settings, u.askedBy
	r.heard.settledVersion = u.settledVersion
	r.closeUndo()
}

func (r *Room) takeBack(c change) {
	switch c.kind {
	case undoJoin:
		for range c.n {
			delete(r.users, r.line.pop())
		}
	case undoLeave:
		r.line.putBack(c.at)
		p := r.line.at(c.at)
		r.users[p.userID] = p.sequence
	case undoAdmit:
		r.admitted.remove(c.place)
		r.line.putBack(c.at)
	case undoClaim:
		c.place.claimed = false
		r.admitted.changed(c.place)
	case undoEnd:
		r.letIn(c.place)
		r.users[c.place.userID] = c.place.sequence
	case undoSettle:
		r.heard.unsettle(c.n, c.owed)
	}
}

func (r *Room) closeUndo() {
	u := &r.undo
	if !u.open {
		panic("boxoffice: no batch of the waiting room was begun")
	}
	clear(u.changes) // admitted places that have ended
	u.changes, u.open, u.savedLog = u.changes[:0], false, false
}

// note is called after every change, whether or not a log is open.
func (u *undoLog) note(c change) {
	if u.open {
		u.changes = append(u.changes, c)
	}
}

// touch notes that the open batch let a place in or claimed it.
func (u *undoLog) touch(p *admittedPlace) {
	if u.open {
		p.batch = u.batch
	}
}

// saveLog is called before every change of the admission log.
func (u *undoLog) saveLog(g *admissionLog) {
	if u.open && !u.savedLog {
		u.log.copyFrom(g)
		u.savedLog = true
	}
}
