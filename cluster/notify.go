package cluster

import (
	"strconv"

	"google.golang.org/protobuf/proto"

	"boxoffice/internal/failpoint"
)

// Notify sends a message to a grain without waiting. The message may get lost: if the grain
// cannot be activated now, its member cannot be reached, or too many messages are queued for
// that member. Messages of one sender to one grain arrive in order. A message must not be
// changed afterwards.
func (n *Node) Notify(kind string, id int64, message proto.Message) {
	failpoint.Hit(failpoint.BeforePublish)
	pid := n.cluster.Get(strconv.FormatInt(id, 10), kind)
	switch {
	case pid == nil:
		n.dropped("notifications")
	case pid.Address == n.ID:
		n.system.Root.Send(pid, message)
	case !n.peers.notify(pid, message):
		n.dropped("notifications")
	}
}

func (n *Node) dropped(queue string) {
	if n.cfg.Observer.Dropped != nil {
		n.cfg.Observer.Dropped(queue)
	}
}
