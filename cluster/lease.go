package cluster

import (
	"sync/atomic"
	"time"
)

// Lease tells whether this node may answer from memory. It exists, and is not valid,
// before the node is a member.
//
// It is soft: it promises that no other member has activated a grain that this node
// has active, as long as the clocks of two members do not run apart by more than a
// twentieth. Two things make that so. Others evict this node only an expiry after they
// last heard of it, and the lease runs out before that, counted from before the last
// heartbeat that was acknowledged was sent. And it is not valid while a grain is still
// here that this node does not own any more; a new owner waits until it has been told.
type Lease struct {
	now   func() time.Time
	start time.Time
	end   atomic.Int64 // nanoseconds since start
	holds atomic.Int64 // what keeps the lease from being valid
	ended atomic.Bool  // this node was evicted
}

func newLease(now func() time.Time) *Lease {
	return &Lease{now: now, start: now()}
}

// Valid tells whether this node may answer from memory now.
func (l *Lease) Valid() bool { return l.holds.Load() == 0 && l.fresh() }

// fresh tells whether nobody can have evicted this node yet.
func (l *Lease) fresh() bool {
	return !l.ended.Load() && int64(l.now().Sub(l.start)) < l.end.Load()
}

// extend lets the lease end at a time, if it does not already end later.
func (l *Lease) extend(end time.Time) {
	for at := int64(end.Sub(l.start)); ; {
		old := l.end.Load()
		if old >= at || l.end.CompareAndSwap(old, at) {
			return
		}
	}
}

// hold keeps the lease from being valid until release.
func (l *Lease) hold()    { l.holds.Add(1) }
func (l *Lease) release() { l.holds.Add(-1) }

// revoke ends the lease for good.
func (l *Lease) revoke() { l.ended.Store(true) }
