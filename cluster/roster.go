package cluster

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// roster is the set of members according to the bucket: a pure state machine that takes
// records and the time. Membership's lock guards it.
//
// Ages are by this node's monotonic clock, from when it received a record; no clock is
// ever compared with another's.
type roster struct {
	self          string
	expiry, blind time.Duration

	store    string // incarnation of the bucket
	revision uint64 // of the last record applied
	changed  uint64 // of the last record that changed the members or the owners
	members  map[string]*member

	echoed    time.Time // when a record of ours was last received back
	ticked    time.Time
	judgeFrom time.Time // ages count from here at the earliest
}

// member is one entry of the roster.
type member struct {
	peer     *peer
	record   record
	revision uint64    // 0: this incarnation of the bucket has no record of it yet
	heard    time.Time // when its last record was received
	behind   time.Time // since when it has not followed; zero: it has
	able     time.Time // since when it has said that it is able; zero: it is not
}

func newRoster(self string, expiry, blind time.Duration, now time.Time) *roster {
	return &roster{
		self: self, expiry: expiry, blind: blind,
		members: map[string]*member{},
		echoed:  now, ticked: now, judgeFrom: now,
	}
}

// observe applies a record, and reports whether it changed the view.
func (r *roster) observe(rec record, revision uint64, now time.Time) (changed bool) {
	r.revision = max(r.revision, revision)
	m := r.members[rec.ID]
	if m != nil && revision <= m.revision {
		return false // a duplicate, from a watch that started again
	}
	settled := r.settled()
	switch {
	case !rec.member():
		if m == nil {
			return false
		}
		delete(r.members, rec.ID)
		changed = true
	case m == nil:
		m = &member{peer: &peer{id: rec.ID, address: rec.Address, dialect: rec.dialect(), hash: hashString(rec.ID)}}
		r.members[rec.ID] = m
		m.heed(rec, revision, now)
		changed = true
	default:
		changed = m.record.State != rec.State
		m.heed(rec, revision, now)
	}
	if rec.ID == r.self && rec.member() {
		r.echoed = now
	}
	if changed {
		r.changed = revision
	}
	r.follow(now)
	return changed || settled != r.settled()
}

// heed applies a member's record.
func (m *member) heed(rec record, revision uint64, now time.Time) {
	m.record, m.revision, m.heard = rec, revision, now
	switch {
	case rec.Unable:
		m.able = time.Time{}
	case m.able.IsZero():
		m.able = now
	}
}

// follow notes which members have applied the last change, and since when others have not.
func (r *roster) follow(now time.Time) {
	for _, m := range r.members {
		switch {
		case r.followed(m):
			m.behind = time.Time{}
		case m.behind.IsZero():
			m.behind = now
		}
	}
}

func (r *roster) followed(m *member) bool {
	return m.record.ID == r.self ||
		m.revision > 0 && m.record.Store == r.store && m.record.Seen >= r.changed
}

// settled reports whether all others have applied the last change.
func (r *roster) settled() bool {
	for _, m := range r.members {
		if !r.followed(m) {
			return false
		}
	}
	return true
}

// newStore forgets revisions but keeps the members: the bucket is another one, and every
// member has an expiry's time to appear in it.
func (r *roster) newStore(store string, now time.Time) {
	r.store, r.revision, r.changed = store, 0, 0
	r.judgeFrom = now
	for _, m := range r.members {
		m.revision = 0
		m.behind = time.Time{}
	}
	r.follow(now)
}

// judge returns the members that have been silent, or have not followed, for too long. It
// returns none while this node cannot judge: if it does not receive its own heartbeats
// either, or was itself stalled, all ages start again.
func (r *roster) judge(now time.Time) []*member {
	if now.Sub(r.ticked) > r.expiry/stallFraction || r.isBlind(now) {
		r.judgeFrom = now
	}
	r.ticked = now
	var overdue []*member
	for _, m := range r.members {
		if m.record.ID == r.self {
			continue
		}
		silent := r.silent(m, now)
		lagging := !m.behind.IsZero() && now.Sub(latest(m.behind, r.judgeFrom)) >= laggingExpiry*r.expiry
		if silent || lagging {
			overdue = append(overdue, m)
		}
	}
	return overdue
}

// silent reports whether a member has not been heard of for an expiry through its own
// fault: this node must have received its own heartbeats for most of that time. Otherwise
// the store may be silent, and only happened to become so between the other's heartbeat and
// ours. A store that hangs does what it was asked when it resumes, which would put an
// eviction before the heartbeats that it kept the others from writing.
func (r *roster) silent(m *member, now time.Time) bool {
	since := latest(m.heard, r.judgeFrom)
	return now.Sub(since) >= r.expiry && r.echoed.Sub(since) >= r.expiry/silentFraction
}

// relief reports whether another member owns grains, is not silent, and has been able for so
// long: a better owner for the grains of a member that is unable.
func (r *roster) relief(now time.Time, long time.Duration) bool {
	for _, m := range r.members {
		if m.record.ID != r.self && m.record.State == stateReady && now.Sub(m.heard) < r.blind &&
			!m.able.IsZero() && now.Sub(m.able) >= long {
			return true
		}
	}
	return false
}

// elder reports whether a member that this one cannot talk with owns grains and began
// earlier: of two such members the later one owns nothing.
func (r *roster) elder(own record) bool {
	for _, m := range r.members {
		if m.record.State == stateReady && !own.dialect().talks(m.record.dialect()) && m.record.ID != own.ID &&
			byAge(m.record, own) < 0 {
			return true
		}
	}
	return false
}

// isBlind reports whether this node's own records do not come back to it.
func (r *roster) isBlind(now time.Time) bool { return now.Sub(r.echoed) > r.blind }

// view returns the view that follows from the records.
func (r *roster) view() *view {
	v := &view{self: r.self, settled: r.settled()}
	for _, id := range slices.Sorted(maps.Keys(r.members)) {
		m := r.members[id]
		v.peers = append(v.peers, m.peer)
		if m.record.State == stateReady {
			v.owners = append(v.owners, m.peer)
		}
	}
	return v
}

// list returns the members' records, the longest-serving first.
func (r *roster) list() []record {
	records := make([]record, 0, len(r.members))
	for _, m := range r.members {
		records = append(records, m.record)
	}
	slices.SortFunc(records, byAge)
	return records
}

// byAge compares records, the longest-serving member's first.
func byAge(a, b record) int {
	return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
