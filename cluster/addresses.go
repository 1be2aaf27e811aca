package cluster

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// maxAddresses bounds the grains of other members that a shard remembers; 64 shards.
const maxAddresses = 2048

// addresses remembers where grains of other members are. It is only a shortcut: an
// address is good as long as its member owns the grain, and a grain that has stopped
// answers with a dead letter.
type addresses struct {
	shards [shardCount]addressShard
}

type addressShard struct {
	mu    sync.RWMutex
	known map[key]*actor.PID
}

func newAddresses() *addresses {
	a := &addresses{}
	for i := range a.shards {
		a.shards[i].known = map[key]*actor.PID{}
	}
	return a
}

// get gives a grain's actor on a member, if known.
func (a *addresses) get(k key, owner string) *actor.PID {
	s := &a.shards[k.shard()]
	s.mu.RLock()
	pid := s.known[k]
	s.mu.RUnlock()
	if pid == nil || pid.Address != owner {
		return nil
	}
	return pid
}

// put remembers an address. A full shard is emptied: what is in use costs one question
// more, and comes back.
func (a *addresses) put(k key, pid *actor.PID) {
	s := &a.shards[k.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxAddresses {
		clear(s.known)
	}
	s.known[k] = pid
}

// remove forgets an address that proved wrong, unless there is a newer one.
func (a *addresses) remove(k key, pid *actor.PID) {
	s := &a.shards[k.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[k] == pid {
		delete(s.known, k)
	}
}
