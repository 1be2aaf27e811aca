package cluster

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"boxoffice/internal/failpoint"
)

const (
	maxNotifications = 8192 // that wait for an address
	notifiers        = 4    // goroutines that find addresses
)

// notification is a message whose grain's address is yet to be found.
type notification struct {
	key     key
	message proto.Message
}

// Notify sends a message to a grain and waits for nothing. It may get lost: if the grain
// cannot be activated now, its member does not answer, or too many messages wait.
func (n *Node) Notify(kind string, id int64, message proto.Message) {
	failpoint.Hit(failpoint.BeforePublish)
	k, err := n.placement.key(kind, id)
	if err != nil {
		n.cfg.Logger.Error("notification of nobody", "error", err)
		return
	}
	if pid := n.known(k); pid != nil {
		n.system.Root.Send(pid, message)
		return
	}
	select {
	case n.notifications <- notification{key: k, message: message}:
	default:
		n.dropped("notifications")
	}
}

// known gives a grain's actor if that takes no question to another member.
func (n *Node) known(k key) *actor.PID {
	v := n.placement.view.Load()
	if v == nil {
		return nil
	}
	owner := v.owner(k.id)
	switch {
	case owner == nil:
		return nil
	case owner.id == n.ID:
		pid, _ := n.placement.activate(k) // nil: not now
		return pid
	default:
		return n.addresses.get(k, owner.id)
	}
}

// notify finds the addresses of grains for which notifications wait.
func (n *Node) notify() {
	for {
		select {
		case <-n.closed:
			return
		case waiting := <-n.notifications:
			if pid, err := n.find(waiting.key); err == nil {
				n.system.Root.Send(pid, waiting.message)
			}
		}
	}
}

// find gives a grain's actor; it takes one try.
func (n *Node) find(k key) (*actor.PID, error) {
	v := n.placement.view.Load()
	if v == nil {
		return nil, errNoOwner
	}
	owner := v.owner(k.id)
	if owner == nil {
		return nil, errNoOwner
	}
	timer := time.NewTimer(tryTimeout)
	defer timer.Stop()
	c := call{node: n, key: k, deadline: n.cfg.Now().Add(tryTimeout), timer: timer}
	return c.target(context.Background(), owner)
}

func (n *Node) dropped(queue string) {
	if n.cfg.Observer.Dropped != nil {
		n.cfg.Observer.Dropped(queue)
	}
}
