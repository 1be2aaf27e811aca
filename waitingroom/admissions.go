package waitingroom

import (
	"math"
	"slices"
	"time"
)

// rateSpanMS is the span that admitPerSecond limits: both ends belong to it, so that
// truncating times to milliseconds never hides a span that is too full.
const rateSpanMS = 1000

// admissionLog is when places were admitted: to the millisecond for the last second,
// which the limit per second needs, and the pace of the last RateWindow, which the
// estimates need. It holds at most 1 001 milliseconds, and none in an idle room.
type admissionLog struct {
	exact []admissionCount // by millisecond, ascending
	pace  Pace
}

// admissionCount is the number of places admitted at a time.
type admissionCount struct {
	atMS  int64 // since the Unix epoch
	count int
}

// note adds admissions, in any order.
func (g *admissionLog) note(at time.Time, count int) {
	g.exact = noteAt(g.exact, at.UnixMilli(), count, rateSpanMS)
	g.pace.Note(at, count)
}

// copyFrom makes g a copy of other.
func (g *admissionLog) copyFrom(other *admissionLog) {
	g.exact = append(g.exact[:0], other.exact...)
	g.pace.seconds = append(g.pace.seconds[:0], other.pace.seconds...)
}

// noteAt adds to the entry of a time, and forgets those that are more than spanMS older
// than the newest.
func noteAt(counts []admissionCount, atMS int64, count int, spanMS int64) []admissionCount {
	index := firstFrom(counts, atMS)
	if index < len(counts) && counts[index].atMS == atMS {
		counts[index].count += count
		return counts
	}
	counts = slices.Insert(counts, index, admissionCount{atMS: atMS, count: count})
	return slices.Delete(counts, 0, firstFrom(counts, counts[len(counts)-1].atMS-spanMS))
}

// firstFrom returns the index of the first entry that is not before a time.
func firstFrom(counts []admissionCount, atMS int64) int {
	index, _ := slices.BinarySearchFunc(counts, atMS, func(c admissionCount, atMS int64) int {
		switch {
		case c.atMS < atMS:
			return -1
		case c.atMS > atMS:
			return 1
		default:
			return 0
		}
	})
	return index
}

// allowed returns how many places may be admitted at now with a limit per second (0: no
// limit).
func (g *admissionLog) allowed(now time.Time, perSecond int) int {
	if perSecond == 0 {
		return math.MaxInt
	}
	nowMS := now.UnixMilli()
	if n := len(g.exact); n > 0 && g.exact[n-1].atMS > nowMS {
		return 0 // the clock went back; forgotten admissions could count again
	}
	for _, c := range g.exact[firstFrom(g.exact, nowMS-rateSpanMS):] {
		perSecond -= c.count
	}
	return max(0, perSecond)
}

// nextSlot returns the first time from now on at which a place may be admitted.
func (g *admissionLog) nextSlot(now time.Time, perSecond int) time.Time {
	if g.allowed(now, perSecond) > 0 {
		return now
	}
	// The newest perSecond admissions must not all lie in one span with the next.
	slot := time.UnixMilli(g.exact[len(g.exact)-1].atMS).UTC() // if it is the clock that went back
	for _, c := range slices.Backward(g.exact) {
		if perSecond -= c.count; perSecond <= 0 {
			slot = latest(slot, time.UnixMilli(c.atMS+rateSpanMS+1).UTC())
			break
		}
	}
	return latest(now, slot)
}

// floorMod returns the remainder that is never negative.
func floorMod(a, b int64) int64 { return ((a % b) + b) % b }

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
