package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// state is what a member says about itself, or what its evictor wrote last. A member in a
// state that this release does not know owns nothing.
type state string

const (
	stateReady     state = "ready"     // owns its share of the grains
	stateSuspended state = "suspended" // owns none until it is able again, but still answers
	stateLeaving   state = "leaving"   // owns none, but still answers
	stateLeft      state = "left"      // has ended
	stateEvicted   state = "evicted"   // was found silent; must end
)

// record is a member's entry in the bucket, and its heartbeat. A member that ends, or is
// evicted, leaves a last record rather than no record: so a missing key means that the
// store was lost, and never that somebody was evicted.
type record struct {
	ID          string    `json:"id"`
	Address     string    `json:"address"` // host:port for other nodes
	HTTPAddress string    `json:"httpAddress,omitempty"`
	StartedAt   time.Time `json:"startedAt"`
	State       state     `json:"state"`
	By          string    `json:"by,omitempty"` // who evicted it
	// Service is absent from the records of releases in which the service had no versions.
	Service versions `json:"service"`
	// Trust is what the member believes: who has none in common with it cannot talk with it.
	Trust fingerprints `json:"trust,omitempty"`
	// Unable says that the member lacks what its grains need. It owns grains all the same
	// until it is suspended.
	Unable bool           `json:"unable,omitempty"`
	Grains map[string]int `json:"grains,omitempty"`
	// Seen is the revision of Store up to which the member has applied the records: it has
	// given up, and will not answer for, what it does not own as of that revision.
	Seen  uint64 `json:"seen"`
	Store string `json:"store"` // which incarnation of the bucket Seen belongs to
}

// dialect is with whom the member can talk.
func (r record) dialect() dialect { return dialect{r.Service, r.Trust} }

// member reports whether the record is of somebody who is there.
func (r record) member() bool { return r.State != stateLeft && r.State != stateEvicted }

func (r record) encode() ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record of %s: %w", r.ID, err)
	}
	return data, nil
}

func decodeRecord(data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, fmt.Errorf("decode record: %w", err)
	}
	return r, nil
}

// versions are the versions of the service between nodes that a member speaks. Zero means
// none: releases that had another protocol.
type versions struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

// spoken returns what this release speaks: the number in the name of the service's protobuf
// package. A release that adds a version keeps the one before, because nodes of
// neighbouring releases work side by side.
func spoken() versions { return versions{Min: 1, Max: 1} }

// overlap reports whether members with these versions can talk.
func (v versions) overlap(o versions) bool {
	return v.Max > 0 && o.Max > 0 && v.Min <= o.Max && o.Min <= v.Max
}

// fingerprints tell secrets, or certificate authorities, apart, and nothing else of them.
// None are those of a member that does not say.
type fingerprints []string

// match reports whether members with these fingerprints can trust each other.
func (f fingerprints) match(o fingerprints) bool {
	return len(f) == 0 || len(o) == 0 ||
		slices.ContainsFunc(f, func(one string) bool { return slices.Contains(o, one) })
}

// dialect is which members one can talk with: they speak a version that it speaks, and trust
// something that it trusts.
type dialect struct {
	service versions
	trust   fingerprints
}

func (d dialect) talks(o dialect) bool { return d.service.overlap(o.service) && d.trust.match(o.trust) }

// String implements fmt.Stringer.
func (v versions) String() string {
	if v.Max == 0 {
		return "none"
	}
	return fmt.Sprintf("%d to %d", v.Min, v.Max)
}
