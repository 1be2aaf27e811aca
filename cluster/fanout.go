package cluster

import (
	"fmt"

	"github.com/nats-io/nats.go"

	"boxoffice/internal/failpoint"
)

// Bounds of fan-out. What exceeds them is dropped.
const (
	maxPublications = 4096    // that wait to be sent
	maxPending      = 4096    // messages that a slow subscriber has waiting
	maxPendingBytes = 8 << 20 // their size
)

// publication is a message that waits to be sent to a subject.
type publication struct {
	subject string
	data    []byte
}

// Publish sends data to all other nodes of the cluster that subscribe to a subject. It
// never blocks and guarantees nothing: what is published while NATS does not answer is
// lost. Data must not be changed afterwards. A subject is dot-separated words.
func (n *Node) Publish(subject string, data []byte) {
	failpoint.Hit(failpoint.BeforePublish)
	select {
	case n.publications <- publication{subject: n.subject(subject), data: data}:
	default:
		n.dropped("publications")
	}
}

// publish sends the queued publications one after the other: a stuck connection blocks only
// this goroutine.
func (n *Node) publish() {
	for {
		select {
		case <-n.closed:
			return
		case p := <-n.publications:
			if err := n.cfg.NATS.Publish(p.subject, p.data); err != nil {
				n.dropped("publications")
			}
		}
	}
}

// Subscribe calls each with the messages published to a subject, one after the other, until
// cancel is called. A subject's last word may be the wildcard * or >. A slow subscriber
// loses messages; none is delivered twice.
func (n *Node) Subscribe(subject string, each func(data []byte)) (cancel func(), err error) {
	sub, err := n.cfg.NATS.Subscribe(n.subject(subject), func(m *nats.Msg) { each(m.Data) })
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	if err := sub.SetPendingLimits(maxPending, maxPendingBytes); err != nil {
		return nil, fmt.Errorf("bound subscription to %s: %w", subject, err)
	}
	return func() {
		if err := sub.Unsubscribe(); err != nil {
			n.cfg.Logger.Debug("cannot end subscription", "subject", subject, "error", err)
		}
	}, nil
}

func (n *Node) subject(s string) string { return "boxoffice." + n.cfg.ClusterName + "." + s }
