package check

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/chaos/history"
	"boxoffice/seatmap"
)

// seatHistory is the statuses of a schedule's seats after each of its changes.
type seatHistory struct {
	// maps[n] is what the seats were after n changes, with expiries of holds.
	maps []seatsThen
	// acked are changes that somebody was told about, by the time of that answer.
	acked []ackedChange
}

type seatsThen struct {
	letters string
	expires [boxoffice.SeatCount]time.Duration // of holds: from then on they may be shown as over
	over    [boxoffice.SeatCount]time.Duration // and from then on they must be
}

// noNode is whichever node it was.
const noNode = -1

type ackedChange struct {
	at     time.Duration
	change int
	node   int
}

// newSeatHistory is the history of a schedule that nothing has happened to: every seat is
// free.
func newSeatHistory() *seatHistory {
	return &seatHistory{maps: []seatsThen{{letters: strings.Repeat("a", boxoffice.SeatCount)}}}
}

// seatHistories replays the seats of every schedule.
func seatHistories(e Evidence, f facts, limits Limits) map[int64]*seatHistory {
	histories := make(map[int64]*seatHistory, len(f.seats))
	pays := make(map[uuid.UUID][]history.Operation)
	for _, op := range e.Operations {
		if op.Kind == history.Pay {
			pays[op.Request.ReservationID] = append(pays[op.Request.ReservationID], op)
		}
	}
	for id, rows := range f.seats {
		h := newSeatHistory()
		letters := []byte(h.maps[0].letters)
		var expires, over [boxoffice.SeatCount]time.Duration
		for _, row := range rows {
			switch d := row.Data.(type) {
			case seatmap.Held:
				letters[d.SeatNumber-1] = 'h'
				expires[d.SeatNumber-1] = e.Since(d.ExpiresAt)
				over[d.SeatNumber-1] = holdEnds(e.Since(d.ExpiresAt), pays[d.ReservationID], limits)
			case seatmap.Confirmed:
				h.paid(d.SeatNumber)
				letters[d.SeatNumber-1] = 's'
			case seatmap.Released:
				letters[d.SeatNumber-1] = 'a'
			case seatmap.Expired:
				letters[d.SeatNumber-1] = 'a'
			case seatmap.Cancelled:
				letters[d.SeatNumber-1] = 'a'
			}
			h.maps = append(h.maps, seatsThen{string(letters), expires, over})
		}
		histories[id] = h
	}
	return histories
}

// longestPayment is how long a payment may be under way of which nobody was told what became.
const longestPayment = 5 * time.Second

// holdEnds returns when a hold must not be shown any more: when it expires, but for a payment
// that came in time and may be under way, whatever becomes of it.
func holdEnds(expires time.Duration, pays []history.Operation, limits Limits) time.Duration {
	ends := expires
	for _, op := range pays {
		switch {
		case op.Call > expires+limits.Epsilon:
		case op.Result.Definite():
			ends = max(ends, op.Return)
		default:
			ends = max(ends, op.Call+longestPayment)
		}
	}
	return ends
}

// paid notes that the hold of a seat is paid: it did not end until then, however long the
// payment took to be written.
func (h *seatHistory) paid(seatNumber int) {
	for n := len(h.maps) - 1; n >= 0 && h.maps[n].letters[seatNumber-1] == 'h'; n-- {
		h.maps[n].expires[seatNumber-1], h.maps[n].over[seatNumber-1] = Never, Never
	}
}

// acknowledge notes the changes that effects told somebody about.
func acknowledge(histories map[int64]*seatHistory, f facts, effects []Effect) {
	released := make(map[uuid.UUID]int)
	for _, effect := range effects {
		if effect.Kind == history.Release && effect.OK {
			released[effect.Request.ReservationID]++
		}
	}
	for _, effect := range effects {
		change, scheduleID := changeOf(f, effect)
		node := effect.Node
		if effect.Kind == history.Release && released[effect.Request.ReservationID] > 1 {
			node = noNode // which of them released it is not known: the others changed nothing
		}
		if h := histories[scheduleID]; h != nil && change > 0 && effect.told() {
			h.acked = append(h.acked, ackedChange{effect.Return, change, node})
		}
	}
	for _, h := range histories {
		slices.SortFunc(h.acked, func(a, b ackedChange) int { return cmp.Compare(a.at, b.at) })
	}
}

// changeOf finds the change of a seat that an effect made; 0 if none.
func changeOf(f facts, effect Effect) (change int, scheduleID int64) {
	if !effect.OK {
		return 0, 0
	}
	var what fact
	reservation := effect.Request.ReservationID
	switch effect.Kind {
	case history.Hold:
		if !effect.Created {
			return 0, 0
		}
		reservation = effect.Answer.ReservationID
		what = f.held[reservation].fact
	case history.Pay:
		what = f.confirmed[reservation].fact
	case history.Cancel:
		reservation = f.payments[effect.Request.PaymentID]
		what = f.cancelled[reservation]
	case history.Release:
		// It may have been released by something else, later.
		if what = f.released[reservation]; what.at > effect.Return {
			return 0, 0
		}
	default:
		return 0, 0
	}
	return what.change, f.held[reservation].scheduleID
}

// checkSeatMaps: a map shows the seats as they were at one moment, which is not longer
// ago than staleness, and not before what its node has acknowledged.
func checkSeatMaps(e Evidence, f facts, effects []Effect, limits Limits) []Violation {
	histories := seatHistories(e, f, limits)
	acknowledge(histories, f, effects)
	var violations []Violation
	for _, op := range e.Operations {
		if op.Kind != history.Seats || op.Result != history.OK || op.Status != 200 {
			continue
		}
		h := histories[op.Request.ScheduleID]
		if h == nil {
			h = newSeatHistory()
		}
		if problem := h.check(op, limits); problem != "" {
			violations = append(violations, Violation{
				Check:      "seat map",
				Detail:     fmt.Sprintf("schedule %d, version %d: %s", op.Request.ScheduleID, op.Answer.Version, problem),
				Operations: []int{op.Number},
			})
		}
	}
	return violations
}

// check finds the moment that a map shows and returns what is wrong with it.
func (h *seatHistory) check(op history.Operation, limits Limits) string {
	version, letters := int(op.Answer.Version), string(op.Answer.Seats)
	if len(letters) != boxoffice.SeatCount {
		return fmt.Sprintf("%d seats", len(letters))
	}
	// A hold that is over counts as a change before that is written down.
	moment := -1
	for n := min(version, len(h.maps)-1); n >= max(0, version-boxoffice.SeatCount); n-- {
		if h.maps[n].shows(letters, version-n, op, limits) {
			moment = n
			break
		}
	}
	if moment < 0 {
		return "it shows seats as they never were: " + letters
	}
	if least := h.leastFor(op, limits); version < least {
		return fmt.Sprintf("it is older than change %d, which it must show", least)
	}
	return ""
}

// shows reports whether letters are the seats as they were, but for overdue holds.
func (s seatsThen) shows(letters string, overdue int, op history.Operation, limits Limits) bool {
	for i := range letters {
		if letters[i] == s.letters[i] {
			if letters[i] == 'h' && s.over[i] < op.Call-limits.Staleness-limits.Epsilon {
				return false // an expired hold shows as free within staleness
			}
			continue
		}
		if s.letters[i] != 'h' || letters[i] != 'a' || s.expires[i] > op.Return+limits.Epsilon {
			return false
		}
		overdue--
	}
	return overdue == 0
}

// toldBefore returns the changes that somebody was told of before a time. They are in its order.
func toldBefore(changes []ackedChange, at time.Duration) []ackedChange {
	return changes[:sort.Search(len(changes), func(i int) bool { return changes[i].at >= at })]
}

// newest returns the newest change that somebody was told of before a time; 0 if there is none.
func newest(changes []ackedChange, at time.Duration) (change int) {
	for _, a := range toldBefore(changes, at) {
		change = max(change, a.change)
	}
	return change
}

// leastFor is the newest change that a map must show.
func (h *seatHistory) leastFor(op history.Operation, limits Limits) int {
	least := newest(h.acked, op.Call-limits.Staleness-limits.Epsilon)
	for _, a := range toldBefore(h.acked, op.Call) {
		if a.node == op.Node {
			least = max(least, a.change)
		}
	}
	return least
}

// soldOutBefore reports whether every seat of a join's schedule was sold at some time
// before its answer.
func soldOutBefore(e Evidence, op history.Operation) bool {
	sold := make(map[int]bool, boxoffice.SeatCount)
	for _, row := range e.State.Events {
		if row.Grain != (boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: op.Request.ScheduleID}) || e.Since(row.At) > op.Return {
			continue
		}
		switch d := row.Data.(type) {
		case seatmap.Confirmed:
			sold[d.SeatNumber] = true
			if len(sold) == boxoffice.SeatCount {
				return true
			}
		case seatmap.Cancelled:
			delete(sold, d.SeatNumber)
		}
	}
	return false
}
