package cluster

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// How fast a lost NATS connection is noticed and replaced.
const (
	natsTimeout       = 2 * time.Second // one attempt to connect, one write
	natsPing          = time.Second
	natsPings         = 2 // unanswered ones after which the connection counts as lost
	natsReconnectWait = 50 * time.Millisecond
	natsJitter        = 100 * time.Millisecond
)

// NATSOptions says how to connect to NATS. The zero value is good for a server without
// authentication.
type NATSOptions struct {
	Name        string      // of this client, for operators of the server
	Credentials string      // path of a credentials file; empty: none, or in the URL
	TLS         *tls.Config // nil: only if the server asks for it
	Logger      *slog.Logger
}

// Connect connects to NATS. It fails if no server answers now; later it reconnects by
// itself, forever. While there is no connection, published messages are lost.
func Connect(url string, o NATSOptions) (*nats.Conn, error) {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	options := []nats.Option{
		nats.Name(o.Name),
		nats.Timeout(natsTimeout),
		nats.FlusherTimeout(natsTimeout),
		nats.PingInterval(natsPing),
		nats.MaxPingsOutstanding(natsPings),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(natsReconnectWait),
		nats.ReconnectJitter(natsJitter, natsJitter),
		nats.ReconnectBufSize(-1),
		nats.NoEcho(),               // nobody needs their own messages
		nats.IgnoreAuthErrorAbort(), // credentials may be repaired while we run
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("lost NATS", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) { log.Info("connected to NATS again", "server", c.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Warn("NATS reports an error", "error", err, "subject", subject)
		}),
	}
	if o.Credentials != "" {
		options = append(options, nats.UserCredentials(o.Credentials))
	}
	if o.TLS != nil {
		options = append(options, nats.Secure(o.TLS))
	}
	conn, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return conn, nil
}
