package cluster

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"boxoffice/cluster/localnats"
)

// Tests of several nodes run each in a process of its own: this test binary, started
// again in a role. So they can be killed and frozen, and protoactor's globals are not
// shared. A child reads orders and writes reports, a line of JSON each.

const roleVariable = "CLUSTER_TEST_ROLE"

// exitFenced is the status of a node that found itself evicted.
const exitFenced = 3

// childConfig is what a child is started with.
type childConfig struct {
	NATS   string `json:"nats"`             // URL; a NATS server: its store directory
	Port   int    `json:"port"`             // to listen on; zero: any
	Ledger string `json:"ledger"`           // URL of what knows the epochs
	Pair   string `json:"pair,omitempty"`   // certificate and key, PEM
	Roots  string `json:"roots,omitempty"`  // of the certificates, PEM
	Expect int    `json:"expect,omitempty"` // members to wait for before it reports
	Routes []int  `json:"routes,omitempty"` // a NATS server of a cluster: the ports of all, its own first
}

// order is what a child is told to do.
type order struct {
	Do   string   `json:"do"` // touch, notify, load, await, report
	Rate int      `json:"rate,omitempty"`
	IDs  int      `json:"ids,omitempty"`
	See  []string `json:"see,omitempty"`
}

// report is what a child says.
type report struct {
	ID      string   `json:"id,omitempty"`
	Address string   `json:"address,omitempty"`
	URL     string   `json:"url,omitempty"`
	Members int      `json:"members,omitempty"`
	Calls   []callAt `json:"calls,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// callAt is one call that a child made; times are Unix nanoseconds.
type callAt struct {
	ID    int64  `json:"i"`
	Start int64  `json:"s"`
	End   int64  `json:"e"`
	Epoch int64  `json:"n"` // of the activation that answered
	Error string `json:"err,omitempty"`
}

func (c callAt) took() time.Duration { return time.Duration(c.End - c.Start) }

func runChild(role string) int {
	var cfg childConfig
	if err := json.Unmarshal([]byte(os.Getenv(roleVariable+"_CONFIG")), &cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	run := runChildNode
	if role == "nats" {
		run = runChildNATS
	}
	status, err := run(cfg, json.NewEncoder(os.Stdout))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(status, 1)
	}
	return status
}

func runChildNATS(cfg childConfig, out *json.Encoder) (int, error) {
	s, err := localnats.Start(context.Background(), localnats.Config{StoreDir: cfg.NATS, Port: cfg.Port, Cluster: cfg.Routes})
	if err != nil {
		return 1, err
	}
	defer s.Stop()
	if err := out.Encode(report{URL: s.URL}); err != nil {
		return 1, err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent ends
	return 0, err
}

func runChildNode(cfg childConfig, out *json.Encoder) (status int, err error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	conn, err := Connect(cfg.NATS, NATSOptions{Logger: log})
	if err != nil {
		return 1, err
	}
	defer conn.Close()
	pair, err := cfg.tls()
	if err != nil {
		return 1, err
	}
	n, err := New(Config{
		NATS: conn, ClusterName: "test", Secrets: testSecrets(), Bind: fmt.Sprintf("127.0.0.1:%d", cfg.Port), TLS: pair,
		HTTPAddress: "http.test", Logger: log, Moved: &movedMessage{}, Retry: isTestRetry,
	})
	if err != nil {
		return 1, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := n.Start(ctx, registerKind(n, cfg.Ledger)); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if err := n.membership.until(ctx, func(v *view) bool { return len(v.owners) >= cfg.Expect && v.settled }); err != nil {
		return 1, err
	}
	if err := out.Encode(report{ID: n.ID, Address: n.Address(), Members: len(n.Members())}); err != nil {
		return 1, err
	}
	return obey(ctx, n, out)
}

func (c childConfig) tls() (*TLS, error) {
	if c.Pair == "" {
		return nil, nil //nolint:nilnil // none is none
	}
	pair, err := tls.X509KeyPair([]byte(c.Pair), []byte(c.Pair))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.Roots))
	return &TLS{
		Server: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert},
		Client: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: roots},
	}, nil
}

// obey does what the parent orders until it ends, is told to leave, or is fenced.
func obey(ctx context.Context, n *Node, out *json.Encoder) (int, error) {
	orders := make(chan order)
	go func() { // ends with the process
		defer close(orders)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			var o order
			if json.Unmarshal(lines.Bytes(), &o) == nil {
				orders <- o
			}
		}
	}()
	var l *load
	for {
		select {
		case <-n.Fenced():
			return exitFenced, nil
		case <-ctx.Done():
			return 0, n.Leave(context.Background())
		case o, open := <-orders:
			if !open {
				return 0, nil
			}
			switch o.Do {
			case "touch": // calls each grain once, and reports
				l = &load{ended: make(chan struct{})}
				for id := range int64(o.IDs) {
					l.tasks.Go(func() { l.add(callRegister(n, id)) })
				}
				if err := out.Encode(report{Calls: l.stop()}); err != nil {
					return 1, err
				}
			case "await": // reports when it has its lease, and sees these members, who all follow
				var r report
				if err := awaitMembers(ctx, n, o.See); err != nil {
					r.Error = err.Error()
				}
				if err := out.Encode(r); err != nil {
					return 1, err
				}
			case "notify":
				for id := range int64(o.IDs) {
					n.Notify("register", id, wrapperspb.String("hello"))
				}
			case "load":
				l = startLoad(n, o)
			case "report":
				if err := out.Encode(report{ID: n.ID, Members: len(n.Members()), Calls: l.stop()}); err != nil {
					return 1, err
				}
			}
		}
	}
}

// agreeWithin is how long members may take to agree: NATS elects leaders in 4 to 9 s.
const agreeWithin = 30 * time.Second

func awaitMembers(ctx context.Context, n *Node, ids []string) error {
	ctx, cancel := context.WithTimeout(ctx, agreeWithin)
	defer cancel()
	slices.Sort(ids)
	err := n.membership.until(ctx, func(v *view) bool {
		return v.settled && slices.EqualFunc(v.peers, ids, func(p *peer, id string) bool { return p.id == id })
	})
	if err != nil {
		return err
	}
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !n.lease.Valid() {
		select {
		case <-ctx.Done():
			return errors.New("no lease")
		case <-poll.C:
		}
	}
	return nil
}

// load calls random grains at a rate.
type load struct {
	tasks sync.WaitGroup
	ended chan struct{}
	mu    sync.Mutex
	calls []callAt
}

func startLoad(n *Node, o order) *load {
	l := &load{ended: make(chan struct{})}
	l.tasks.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(o.Rate))
		defer tick.Stop()
		for {
			select {
			case <-l.ended:
				return
			case <-tick.C:
				l.tasks.Go(func() { l.add(callRegister(n, rand.Int64N(int64(o.IDs)))) })
			}
		}
	})
	return l
}

func (l *load) add(c callAt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

func (l *load) stop() []callAt {
	if l == nil {
		return nil
	}
	close(l.ended)
	l.tasks.Wait()
	return l.calls
}

func callRegister(n *Node, id int64) callAt {
	c := callAt{ID: id, Start: time.Now().UnixNano()}
	reply, err := n.Call(context.Background(), "register", id, wrapperspb.Int64(id))
	c.End = time.Now().UnixNano()
	switch reply := reply.(type) {
	case *wrapperspb.Int64Value:
		c.Epoch = reply.GetValue()
	default:
		c.Error = fmt.Sprintf("%T, %v", reply, err)
	}
	return c
}

// register is a grain that answers with its epoch, as boxoffice's grains would: it takes
// one from the ledger when it is activated, and asks the ledger before it answers while
// the node's lease is not valid.
type register struct {
	node    *Node
	ledger  string
	id      string
	epoch   int64
	waiting []*actor.PID
	moved   bool
}

// Messages of a register to itself.
type (
	registerLoaded struct {
		epoch int64
		err   error
	}
	registerStop struct{}
)

const registerLinger = time.Second

func registerKind(n *Node, ledger string) map[string]*actor.Props {
	return map[string]*actor.Props{"register": actor.PropsFromProducer(func() actor.Actor {
		return &register{node: n, ledger: ledger}
	})}
}

// isTestRetry knows the reply that means "ask again".
func isTestRetry(reply any) bool {
	_, ok := reply.(*wrapperspb.BoolValue)
	return ok
}

func (r *register) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		_, r.id = parseName(ctx.Self().GetId())
		self, root := ctx.Self(), ctx.ActorSystem().Root
		go func() { // ends with its request
			epoch, err := askLedger(r.ledger + "/activate?id=" + r.id)
			root.Send(self, &registerLoaded{epoch, err})
		}()
	case *registerLoaded:
		if m.err != nil {
			r.refuse(ctx)
			ctx.Stop(ctx.Self())
			return
		}
		r.epoch = m.epoch
		for _, sender := range r.waiting {
			r.answer(ctx, sender)
		}
		r.waiting = nil
	case *wrapperspb.Int64Value:
		if r.epoch == 0 && !r.moved {
			r.waiting = append(r.waiting, ctx.Sender())
			return
		}
		r.answer(ctx, ctx.Sender())
	case *wrapperspb.StringValue:
		url := r.ledger + "/notified?id=" + r.id
		go func() { _, _ = askLedger(url) }() // ends with its request
	case *movedMessage:
		r.moved = true
		r.refuse(ctx)
		self, root := ctx.Self(), ctx.ActorSystem().Root
		time.AfterFunc(registerLinger, func() { root.Send(self, &registerStop{}) })
	case *registerStop:
		ctx.Stop(ctx.Self())
	}
}

func (r *register) refuse(ctx actor.Context) {
	for _, sender := range r.waiting {
		ctx.Send(sender, wrapperspb.Bool(false))
	}
	r.waiting = nil
}

func (r *register) answer(ctx actor.Context, to *actor.PID) {
	if !r.moved && !r.node.Lease().Valid() {
		current, err := askLedger(r.ledger + "/epoch?id=" + r.id)
		if err != nil || current != r.epoch {
			r.moved = true
			ctx.Stop(ctx.Self())
		}
	}
	if r.moved {
		ctx.Send(to, wrapperspb.Bool(false))
		return
	}
	ctx.Send(to, wrapperspb.Int64(r.epoch))
}

func askLedger(url string) (int64, error) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var epoch int64
	_, err = fmt.Fscan(response.Body, &epoch)
	return epoch, err
}
