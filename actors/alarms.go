package actors

import (
	"container/heap"
	"sync"
	"time"
)

// alarms wakes the grains of a node at the times they ask for, one for each. There may be
// hundreds of thousands, most of them minutes away. Timers of the runtime would take more
// memory, and the runtime looks through all of them whenever some timer is set to an
// earlier time.
type alarms struct {
	clock Clock

	mu     sync.Mutex
	queue  alarmQueue
	timer  *time.Timer // rings for the first of the queue, or earlier; nil before any was set
	ringMS int64       // what it is set for, by the clock; 0: it will not ring
}

// alarm is the alarm of one grain, in milliseconds since the Unix epoch.
type alarm struct {
	atMS  int64
	shell *shell
}

// set sets the time at which a grain is woken, in place of any earlier one.
func (a *alarms) set(s *shell, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.alarm == 0 {
		heap.Push(&a.queue, alarm{atMS: at.UnixMilli(), shell: s})
	} else {
		a.queue[s.alarm-1].atMS = at.UnixMilli()
		heap.Fix(&a.queue, s.alarm-1)
	}
	a.wind()
}

// cancel forgets a grain's alarm, if it has one.
func (a *alarms) cancel(s *shell) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.alarm == 0 {
		return
	}
	heap.Remove(&a.queue, s.alarm-1)
	if len(a.queue) == 0 {
		a.timer.Stop()
		a.ringMS = 0
	}
}

// Bounds of what the timer is set to.
const (
	// minWake keeps a clock that stands still (or a time in the past) from spinning.
	minWake = time.Millisecond
	// maxWake is how soon the clock is looked at again: it may jump.
	maxWake = 500 * time.Millisecond
)

// wind sets the timer if it would fire too late. The caller holds mu.
func (a *alarms) wind() {
	if len(a.queue) == 0 || a.ringMS != 0 && a.ringMS <= a.queue[0].atMS {
		return
	}
	a.ringMS = a.queue[0].atMS
	wait := min(max(time.UnixMilli(a.ringMS).Sub(a.clock.Now()), minWake), maxWake)
	if a.timer == nil {
		a.timer = time.AfterFunc(wait, a.ring)
		return
	}
	a.timer.Reset(wait)
}

// ring wakes the grains whose time has come.
func (a *alarms) ring() {
	for _, s := range a.takeDue() {
		s.root.Send(s.self, &wake{shell: s})
	}
}

func (a *alarms) takeDue() []*shell {
	a.mu.Lock()
	defer a.mu.Unlock()
	nowMS := a.clock.Now().UnixMilli()
	var due []*shell
	for len(a.queue) > 0 && a.queue[0].atMS <= nowMS {
		due = append(due, heap.Pop(&a.queue).(alarm).shell)
	}
	a.ringMS = 0
	a.wind()
	return due
}

// alarmQueue orders alarms by time, the next first. A shell's alarm is its index plus one;
// 0: it has none. The methods are for container/heap.
type alarmQueue []alarm

func (q *alarmQueue) Len() int           { return len(*q) }
func (q *alarmQueue) Less(i, j int) bool { return (*q)[i].atMS < (*q)[j].atMS }
func (q *alarmQueue) Swap(i, j int) {
	s := *q
	s[i], s[j] = s[j], s[i]
	s[i].shell.alarm, s[j].shell.alarm = i+1, j+1
}

func (q *alarmQueue) Push(x any) {
	*q = append(*q, x.(alarm))
	(*q)[len(*q)-1].shell.alarm = len(*q)
}

func (q *alarmQueue) Pop() any {
	last := len(*q) - 1
	popped := (*q)[last]
	popped.shell.alarm = 0
	(*q)[last] = alarm{}
	*q = (*q)[:last]
	return popped
}
