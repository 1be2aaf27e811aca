package boxoffice

import (
	"math"
	"slices"
	"time"
)

// How admissions are counted.
const (
	// RateWindow is how far back admissions count for the estimate of a waiting time.
	RateWindow = 10 * time.Minute
	// quickWindow is used instead as soon as it holds quickCount admissions: it follows
	// a change of the rate sooner.
	quickWindow = time.Minute
	quickCount  = 20
	// rateSpanMS is the span that admitPerSecond limits: both ends belong to it, so that
	// times that are cut to milliseconds never hide a span that is too full.
	rateSpanMS = 1000
	// maxETA bounds an estimate.
	maxETA = 7 * 24 * time.Hour
)

// admissionLog is when places were admitted: to the millisecond for the last second,
// which the limit per second needs, and by seconds for the last RateWindow, which the
// estimates need. It holds at most 1 001 and 601 entries, and none in an idle room.
type admissionLog struct {
	exact   []admissionCount // by millisecond, ascending
	seconds []admissionCount // by second, ascending
}

// admissionCount is how many places were admitted at a time.
type admissionCount struct {
	atMS  int64 // since the Unix epoch
	count int
}

// note adds admissions.
func (g *admissionLog) note(at time.Time, count int) {
	atMS := at.UnixMilli()
	g.exact = noteAt(g.exact, atMS, count, rateSpanMS)
	g.seconds = noteAt(g.seconds, atMS-floorMod(atMS, 1000), count, RateWindow.Milliseconds())
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

// firstFrom is the index of the first entry that is not before a time.
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

// allowed is how many places may be admitted at now with a limit per second (0: none).
func (g *admissionLog) allowed(now time.Time, perSecond int) int {
	if perSecond == 0 {
		return math.MaxInt
	}
	nowMS := now.UnixMilli()
	if n := len(g.exact); n > 0 && g.exact[n-1].atMS > nowMS {
		return 0 // the clock went back; what was forgotten could count again
	}
	for _, c := range g.exact[firstFrom(g.exact, nowMS-rateSpanMS):] {
		perSecond -= c.count
	}
	return max(0, perSecond)
}

// nextSlot is the first time from now on at which a place may be admitted.
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

// estimate is how long it takes until ahead more places are admitted, by the measured
// rate: the admissions after the first second of the window in which there were some,
// over the time since. Both are zero while that is nothing. The range says how little
// can be known: with n admissions measured the rate is uncertain by about 1/√n of
// itself, and the time until the k-th next one varies by about 1/√k.
func (g *admissionLog) estimate(now time.Time, ahead int) (lowest, highest time.Duration) {
	count, span := g.measure(now, quickWindow)
	if count < quickCount {
		count, span = g.measure(now, RateWindow)
	}
	if count == 0 || span <= 0 || ahead <= 0 {
		return 0, 0
	}
	mean := float64(ahead) * span.Seconds() / float64(count)
	spread := min(0.9, 1/math.Sqrt(float64(count))+1/math.Sqrt(float64(ahead)))
	inBounds := func(seconds float64) time.Duration {
		return time.Duration(min(seconds, maxETA.Seconds())*1000) * time.Millisecond
	}
	return inBounds(mean * (1 - spread)), inBounds(mean * (1 + spread))
}

// measure counts the admissions of a window after the first second that has any, and
// tells the time since.
func (g *admissionLog) measure(now time.Time, window time.Duration) (count int, span time.Duration) {
	nowMS := now.UnixMilli()
	inWindow := g.seconds[firstFrom(g.seconds, nowMS-window.Milliseconds()):]
	if len(inWindow) == 0 {
		return 0, 0
	}
	for _, c := range inWindow[1:] {
		count += c.count
	}
	return count, time.Duration(nowMS-inWindow[0].atMS) * time.Millisecond
}

// floorMod is the remainder that is never negative.
func floorMod(a, b int64) int64 { return ((a % b) + b) % b }

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
