package waitingroom

import (
	"iter"
	"math"
	"time"
)

// Parameters of the estimate of waiting times.
const (
	// RateWindow is how far back admissions count for the estimate of a waiting time.
	RateWindow = 10 * time.Minute
	// quickWindow is used instead as soon as it holds quickCount admissions, as it follows
	// a change of the rate sooner.
	quickWindow = time.Minute
	quickCount  = 20
	// maxETA bounds an estimate.
	maxETA = 7 * 24 * time.Hour
)

// Pace is how fast a room lets people in: its admissions per second, for the last
// RateWindow. It holds at most 601 entries, and none in an idle room.
type Pace struct {
	seconds []admissionCount // ascending
}

// Note adds admissions, in any order.
func (p *Pace) Note(at time.Time, count int) {
	atMS := at.UnixMilli()
	p.seconds = noteAt(p.seconds, atMS-floorMod(atMS, 1000), count, RateWindow.Milliseconds())
}

// Admissions returns how many places were admitted in which second. Another pace that notes
// them returns the same estimates.
func (p *Pace) Admissions() iter.Seq2[time.Time, int] {
	return func(yield func(time.Time, int) bool) {
		for _, c := range p.seconds {
			if !yield(time.UnixMilli(c.atMS).UTC(), c.count) {
				return
			}
		}
	}
}

// estimate returns how long it takes until ahead more places are admitted, by the measured
// rate: the admissions after the first second of the window that has any, divided by the
// time since. Both are zero while there are none. The range reflects the uncertainty: with
// n admissions measured the rate is uncertain by about 1/√n of itself, and the time until
// the k-th next one varies by about 1/√k.
func (p *Pace) estimate(now time.Time, ahead int) (lowest, highest time.Duration) {
	count, span := p.measure(now, quickWindow)
	if count < quickCount {
		count, span = p.measure(now, RateWindow)
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
// returns the time since.
func (p *Pace) measure(now time.Time, window time.Duration) (count int, span time.Duration) {
	nowMS := now.UnixMilli()
	inWindow := p.seconds[firstFrom(p.seconds, nowMS-window.Milliseconds()):]
	if len(inWindow) == 0 {
		return 0, 0
	}
	for _, c := range inWindow[1:] {
		count += c.count
	}
	return count, time.Duration(nowMS-inWindow[0].atMS) * time.Millisecond
}
