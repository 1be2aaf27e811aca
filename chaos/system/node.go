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

	"boxoffice/internal/rig"
)

// Node is one node of the service, started and started again.
type Node struct {
	*rig.Kept

	// Index counts from 0.
	Index int
	// URL is where clients reach it.
	URL string
	// FailpointDir is where its failpoints are armed, if it was built with them.
	FailpointDir string

	// The ways from this node to Postgres and NATS, and from other nodes to this one.
	postgres, peers *Proxy
	nats            proxies

	log string // path
	// extra are settings of its next start; they change while the node is down.
	extra []string
}

// newNode makes a node, which is down.
func (s *System) newNode(index int) (*Node, error) {
	name := fmt.Sprintf("node-%d", index)
	n := &Node{
		Index: index, FailpointDir: filepath.Join(s.cfg.Dir, name, "failpoints"), log: filepath.Join(s.cfg.Dir, name+".log"),
	}
	if err := os.MkdirAll(n.FailpointDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of %s: %w", name, err)
	}
	free, err := rig.FreeAddresses("127.0.0.1", 2)
	if err != nil {
		return nil, err
	}
	listen, bind := free[0], free[1]
	n.URL = "http://" + listen
	if n.postgres, err = NewProxy("127.0.0.1:0", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.postgres.Port)), nil); err != nil {
		return nil, err
	}
	if n.nats, err = newProxies(s.nats); err != nil {
		return nil, errors.Join(err, n.postgres.Close())
	}
	if n.peers, err = NewProxy("127.0.0.1:0", bind, s.nodeOf); err != nil {
		return nil, errors.Join(err, n.postgres.Close(), n.nats.Close())
	}
	environ := []string{
		"PATH=" + os.Getenv("PATH"),
		"CHAOS_FAILPOINTS=" + n.FailpointDir,
		"BOXOFFICE_LISTEN=" + listen,
		"BOXOFFICE_DATABASE_URL=" + s.through(n.postgres),
		"BOXOFFICE_NATS_URL=" + n.nats.urls(),
		"BOXOFFICE_NODE_ADDRESS=" + n.peers.Address,
		"BOXOFFICE_NODE_BIND=" + bind,
		"BOXOFFICE_JWT_KEY=" + s.key,
		"BOXOFFICE_DATA_DIR=" + filepath.Join(s.cfg.Dir, name),
		"BOXOFFICE_DEMO=false",
		"BOXOFFICE_DATABASE_CONNECTIONS=" + strconv.Itoa(nodeConnections),
		"BOXOFFICE_LOG_FORMAT=json",
	}
	for setting, value := range s.cfg.Settings {
		environ = append(environ, setting+"="+value)
	}
	n.Kept = keep(name, n.log, func() (*exec.Cmd, error) {
		return rig.Command(slices.Concat(environ, n.extra), s.cfg.Binary, "serve"), nil
	})
	return n, nil
}

// nodeOf returns which node a connection comes from.
func (s *System) nodeOf(remote net.Addr) int {
	all := s.all()
	pids := make(map[int]int, len(all))
	for _, n := range all {
		if process := n.Process(); process != nil {
			pids[process.PID()] = n.Index
		}
	}
	return ownerOf(remote, pids)
}

// AwaitReady waits until the node is ready.
func (n *Node) AwaitReady(ctx context.Context) error {
	if err := rig.AwaitReady(ctx, n.URL+"/readyz", nil); err != nil {
		return fmt.Errorf("node %d: %w; its log is %s", n.Index, err, n.log)
	}
	return nil
}

func (n *Node) close() error {
	n.Kept.Close()
	return errors.Join(n.postgres.Close(), n.nats.Close(), n.peers.Close())
}
