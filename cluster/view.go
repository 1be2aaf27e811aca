package cluster

import "slices"

// peer is a member as the others route to it. Its pointer stays the same from when the
// member is first seen until it is gone.
type peer struct {
	id      string
	address string
	dialect dialect
	hash    uint64
}

// view is the set of members as of one revision of the bucket. It never changes.
type view struct {
	self   string
	peers  []*peer // all members, by id
	owners []*peer // those that own grains, by id
	// settled is true if all other members have confirmed that they applied this view.
	// Until then one of them may still answer for a grain that it no longer owns, so no
	// member activates what it has gained.
	settled bool
}

// owner returns the member that owns an id, by rendezvous hashing (Thaler and Ravishankar,
// 1998): of all members, the one whose hash together with the id's is highest. A member
// that comes or goes moves only the ids that it gains or had. The kind is not hashed, so
// both grains of a schedule live on one node. It returns nil if nobody is ready.
func (v *view) owner(id int64) *peer {
	var (
		best  *peer
		score uint64
		key   = mix64(uint64(id))
	)
	for _, p := range v.owners {
		if s := mix64(p.hash ^ key); best == nil || s > score {
			best, score = p, s
		}
	}
	return best
}

// owned reports whether this node owns an id.
func (v *view) owned(id int64) bool {
	owner := v.owner(id)
	return owner != nil && owner.id == v.self
}

// stranger gives an owner with which one that speaks and trusts this cannot talk; nil: none.
func (v *view) stranger(own dialect) *peer {
	for _, p := range v.owners {
		if p.id != v.self && !own.talks(p.dialect) {
			return p
		}
	}
	return nil
}

// others reports whether a member other than this one could take over its grains.
func (v *view) others() bool {
	return slices.ContainsFunc(v.owners, func(p *peer) bool { return p.id != v.self })
}

// owns reports whether a member owns grains.
func (v *view) owns(id string) bool {
	return slices.ContainsFunc(v.owners, func(p *peer) bool { return p.id == id })
}

// mix64 is the finaliser of splitmix64 (Steele, Lea and Flood, 2014, with Stafford's
// constants): each bit of the input changes each bit of the output with probability ½.
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hashString is FNV-1a, finished by mix64 because FNV leaves the high bits of short
// strings nearly alike.
func hashString(s string) uint64 {
	hash := uint64(14695981039346656037)
	for i := range len(s) {
		hash = (hash ^ uint64(s[i])) * 1099511628211
	}
	return mix64(hash)
}
