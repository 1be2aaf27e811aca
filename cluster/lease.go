package cluster

import (
	"sync/atomic"
	"time"
)

// Lease says whether this node may answer from memory. It exists before the node is a
// member, and is not valid then.
//
// It is soft: it promises that no other member has activated a grain that this node has
// active, as long as the clocks of two members do not run apart by more than a twentieth.
// Two things ensure that. Others evict this node only an expiry after they last heard of
// it, and the lease runs out before that, counted from before the last acknowledged
// heartbeat was sent. And it is not valid while a grain is still here that this node no
// longer owns; a new owner waits until this node has applied the change.
type Lease struct {
	now   func() time.Time
	start time.Time
	end   atomic.Int64 // nanoseconds since start
	holds atomic.Int64 // reasons for the lease not to be valid
	ended atomic.Bool  // this node was evicted
}

func newLease(now func() time.Time) *Lease {
	return &Lease{now: now, start: now()}
}

// Valid reports whether this node may answer from memory now.
func (l *Lease) Valid() bool { return l.holds.Load() == 0 && l.fresh() }

// fresh reports whether nobody can have evicted this node yet.
func (l *Lease) fresh() bool {
	return !l.ended.Load() && int64(l.now().Sub(l.start)) < l.end.Load()
}

// extend sets the end of the lease to a time, unless it already ends later.
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
