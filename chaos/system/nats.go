package system

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"boxoffice/chaos/plan"
	"boxoffice/cluster/localnats"
	"boxoffice/internal/rig"
)

const (
	// natsLimit is how long the servers of NATS may take to be one cluster again: electing a
	// leader takes up to 9 s, and there are several elections.
	natsLimit = time.Minute
	natsPoll  = 100 * time.Millisecond
	// membersBucket is the stream in which the nodes keep themselves.
	membersBucket = "KV_boxoffice-members"
	probeStream   = "chaos-probe"
)

// natsServer is one of the servers that NATS is.
type natsServer struct {
	*rig.Kept

	address string // where clients reach it, by way of their proxies
	dir     string // its store
}

// startNATS starts one server, or several that are one cluster, and waits for those.
func (s *System) startNATS(ctx context.Context) error {
	count := max(1, s.cfg.NATS)
	ports, err := rig.FreePorts("127.0.0.1", 2*count)
	if err != nil {
		return err
	}
	clients, routes := ports[:count], ports[count:]
	for i := range count {
		name := "nats"
		cfg := localnats.Config{StoreDir: filepath.Join(s.cfg.Dir, "nats"), Port: clients[i]}
		if count > 1 {
			name = fmt.Sprintf("nats-%d", i)
			cfg.StoreDir = filepath.Join(cfg.StoreDir, strconv.Itoa(i))
			cfg.Cluster = slices.Concat(routes[i:], routes[:i])
		}
		server := &natsServer{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.Port)), dir: cfg.StoreDir}
		server.Kept = keep(name, filepath.Join(s.cfg.Dir, name+".log"), func() (*exec.Cmd, error) { return rig.NATS(cfg) })
		s.nats = append(s.nats, server)
		server.Up()
	}
	return s.awaitNATS(ctx)
}

// awaitNATS waits until the servers of a cluster all take part again, and the members' bucket
// is up to date on those that have it. Of one server alone there is nothing to wait for.
func (s *System) awaitNATS(ctx context.Context) error {
	if len(s.nats) == 1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, natsLimit)
	defer cancel()
	urls := make([]string, len(s.nats))
	for i, server := range s.nats {
		urls[i] = "nats://" + server.address
	}
	for {
		err := inSync(ctx, strings.Join(urls, ","), len(urls))
		if err == nil {
			return nil
		}
		if pause(ctx, natsPoll) != nil {
			return fmt.Errorf("the NATS servers do not become one cluster: %w", err)
		}
	}
}

// inSync returns why so many servers are not one cluster, or nil if they are: then they take a
// stream that all of them have.
func inSync(ctx context.Context, urls string, servers int) error {
	conn, err := nats.Connect(urls, nats.NoReconnect())
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: probeStream, Subjects: []string{probeStream}, Storage: jetstream.MemoryStorage, Replicas: servers,
	})
	if err != nil {
		return err
	}
	if err := js.DeleteStream(ctx, probeStream); err != nil {
		return err
	}
	stream, err := js.Stream(ctx, membersBucket)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil // no node has started yet
	}
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != info.Config.Replicas-1 {
		return errors.New("the members' bucket has no leader, or not all of its copies")
	}
	for _, copied := range info.Cluster.Replicas {
		if !copied.Current || copied.Offline {
			return fmt.Errorf("the copy of the members' bucket on %s is not up to date", copied.Name)
		}
	}
	return nil
}

// WithoutNATSServer kills one of the NATS servers, calls meanwhile, starts the server again,
// and returns when it is up to date.
func (s *System) WithoutNATSServer(ctx context.Context, index int, meanwhile func() error) error {
	server := s.nats[index%len(s.nats)]
	server.Kill()
	err := meanwhile()
	server.Up()
	return errors.Join(err, s.awaitNATS(ctx))
}

// freezeNATS stops all servers for as long as the fault lasts.
func (s *System) freezeNATS(ctx context.Context, f plan.Fault) error {
	s.signalNATS(syscall.SIGSTOP)
	defer s.signalNATS(syscall.SIGCONT)
	return pause(ctx, f.Length)
}

func (s *System) signalNATS(sig os.Signal) {
	for _, server := range s.nats {
		server.Signal(sig)
	}
}

// restartNATS kills all servers and starts them again, with nothing where they are wiped.
func (s *System) restartNATS(ctx context.Context, f plan.Fault) error {
	s.killNATS()
	defer s.upNATS()
	if f.Kind == plan.WipeNATS {
		for _, server := range s.nats {
			if err := os.RemoveAll(server.dir); err != nil {
				return fmt.Errorf("wipe NATS: %w", err)
			}
		}
	}
	return pause(ctx, f.Length)
}

// killNATS kills all servers, at once.
func (s *System) killNATS() {
	for _, server := range s.nats {
		server.Hold()
	}
	s.signalNATS(syscall.SIGKILL)
	for _, server := range s.nats {
		server.Kill()
	}
}

func (s *System) upNATS() {
	for _, server := range s.nats {
		server.Up()
	}
}

// proxies are the ways from a node to each of the NATS servers.
type proxies []*Proxy

// newProxies makes a proxy to each address.
func newProxies(servers []*natsServer) (proxies, error) {
	all := make(proxies, 0, len(servers))
	for _, server := range servers {
		p, err := NewProxy("127.0.0.1:0", server.address, nil)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all = append(all, p)
	}
	return all, nil
}

// urls are what a node connects to NATS by.
func (all proxies) urls() string {
	urls := make([]string, len(all))
	for i, p := range all {
		urls[i] = "nats://" + p.Address
	}
	return strings.Join(urls, ",")
}

// Set changes the weather on all ways.
func (all proxies) Set(w Weather) {
	for _, p := range all {
		p.Set(w)
	}
}

// Clear makes the weather fair on all ways.
func (all proxies) Clear() {
	for _, p := range all {
		p.Clear()
	}
}

// Close closes all.
func (all proxies) Close() error {
	var errs []error
	for _, p := range all {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
