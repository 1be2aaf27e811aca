package cluster

import (
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

const repliesName = "replies"

// replies is the one process to which all answers to this node's calls go. The call is
// told by the request id of the address: so a batch of messages to another node names
// one sender, and no process is registered per call, as protoactor's futures are.
type replies struct {
	system *actor.ActorSystem
	next   atomic.Uint32
	shards [shardCount]replyShard
}

type replyShard struct {
	mu      sync.Mutex
	waiting map[uint32]chan any
}

func newReplies(system *actor.ActorSystem) *replies {
	r := &replies{system: system}
	for i := range r.shards {
		r.shards[i].waiting = map[uint32]chan any{}
	}
	return r
}

// expect gives an address for one answer, and where the answer arrives. Whoever calls
// it calls forget in the end.
func (r *replies) expect() (*actor.PID, chan any) {
	id := r.next.Add(1)
	if id == 0 { // stands for none
		id = r.next.Add(1)
	}
	arrives := make(chan any, 1)
	s := &r.shards[id%shardCount]
	s.mu.Lock()
	s.waiting[id] = arrives
	s.mu.Unlock()
	return &actor.PID{Address: r.system.Address(), Id: repliesName, RequestId: id}, arrives
}

func (r *replies) forget(address *actor.PID) { r.take(address.RequestId) }

func (r *replies) take(id uint32) chan any {
	s := &r.shards[id%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	arrives := s.waiting[id]
	delete(s.waiting, id)
	return arrives
}

// arrive gives an answer to whoever waits for it. One for which nobody waits any more is
// dropped.
func (r *replies) arrive(id uint32, answer any) {
	if arrives := r.take(id); arrives != nil {
		arrives <- answer // the first, so there is room
	}
}

// SendUserMessage implements actor.Process.
func (r *replies) SendUserMessage(pid *actor.PID, message any) {
	r.arrive(pid.GetRequestId(), actor.UnwrapEnvelopeMessage(message))
}

// SendSystemMessage implements actor.Process; nobody sends any.
func (r *replies) SendSystemMessage(*actor.PID, any) {}

// Stop implements actor.Process; it lives as long as the node.
func (r *replies) Stop(*actor.PID) {}
