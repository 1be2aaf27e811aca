package system

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"boxoffice/persistence/localpostgres"
)

// Node is one node of the service, started and started again.
type Node struct {
	*process

	// Index counts from 0.
	Index int
	// URL is where clients reach it.
	URL string
	// FailpointDir is where its failpoints are armed, if it was built with them.
	FailpointDir string

	// The ways from this node to Postgres and NATS, and from other nodes to this one.
	postgres, nats, peers *Proxy

	client *http.Client
	// extra are settings of its next start.
	extra []string
}

// newNode makes a node, which is down.
func (s *System) newNode(index int) (*Node, error) {
	name := fmt.Sprintf("node-%d", index)
	n := &Node{
		Index: index, FailpointDir: filepath.Join(s.cfg.Dir, name, "failpoints"),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	if err := os.MkdirAll(n.FailpointDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of %s: %w", name, err)
	}
	listen, err := localpostgres.FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	bind, err := localpostgres.FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	n.URL = "http://127.0.0.1:" + strconv.Itoa(listen)
	if n.postgres, err = NewProxy("127.0.0.1:0", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.postgres.Port)), nil); err != nil {
		return nil, err
	}
	if n.nats, err = NewProxy("127.0.0.1:0", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.natsPort)), nil); err != nil {
		return nil, errors.Join(err, n.postgres.Close())
	}
	target := net.JoinHostPort("127.0.0.1", strconv.Itoa(bind))
	if n.peers, err = NewProxy("127.0.0.1:0", target, s.nodeOf); err != nil {
		return nil, errors.Join(err, n.postgres.Close(), n.nats.Close())
	}
	environ := []string{
		"PATH=" + os.Getenv("PATH"),
		"CHAOS_FAILPOINTS=" + n.FailpointDir,
		"BOXOFFICE_LISTEN=127.0.0.1:" + strconv.Itoa(listen),
		"BOXOFFICE_DATABASE_URL=" + s.through(n.postgres),
		"BOXOFFICE_NATS_URL=nats://" + n.nats.Address,
		"BOXOFFICE_NODE_ADDRESS=" + n.peers.Address,
		"BOXOFFICE_NODE_BIND=" + target,
		"BOXOFFICE_JWT_KEY=" + s.key,
		"BOXOFFICE_DATA_DIR=" + filepath.Join(s.cfg.Dir, name),
		"BOXOFFICE_DEMO=false",
		"BOXOFFICE_LOG_FORMAT=json",
	}
	for setting, value := range s.cfg.Settings {
		environ = append(environ, setting+"="+value)
	}
	n.process = newProcess(name, filepath.Join(s.cfg.Dir, name+".log"), func() *exec.Cmd {
		cmd := exec.CommandContext(context.Background(), s.cfg.Binary, "serve")
		cmd.Env = slices.Concat(environ, n.extra)
		return cmd
	})
	return n, nil
}

// nodeOf tells which node a connection comes from.
func (s *System) nodeOf(remote net.Addr) int {
	all := s.all()
	pids := make(map[int]int, len(all))
	for _, n := range all {
		if pid, _ := n.running(); pid != 0 {
			pids[pid] = n.Index
		}
	}
	return ownerOf(remote, pids)
}

// AwaitReady waits until the node is ready.
func (n *Node) AwaitReady(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for !probe(limit, n.client, n.URL) {
		select {
		case <-limit.Done():
			return fmt.Errorf("node %d is not ready: %w; its log is %s", n.Index, limit.Err(), n.log)
		case <-ticker.C:
		}
	}
	return nil
}

func (n *Node) close() error {
	n.process.Close()
	return errors.Join(n.postgres.Close(), n.nats.Close(), n.peers.Close())
}
