package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"boxoffice/cluster/localnats"
	"boxoffice/internal/apiclient"
	"boxoffice/internal/rig"
)

const (
	joinTimeout = time.Minute // until all nodes know of each other
	joinPoll    = 20 * time.Millisecond
)

// startCluster starts nodes of one [Boxoffice], as many as there may be at a time, with a
// NATS server between them, and waits until they know of each other.
func (l *Lab) startCluster(ctx context.Context) (nodes []*Server, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, stopAll(nodes))
		}
	}()
	if l.nats == nil {
		l.nats, err = localnats.Start(ctx, localnats.Config{StoreDir: l.natsDir()})
		if err != nil {
			return nil, err
		}
	}
	for i := range clusterSize {
		// Each node gets its share of the processors, as if it had a machine of its own: Go
		// would have each use all of them, which only costs.
		settings := []string{
			"BOXOFFICE_NATS_URL=" + l.nats.URL, "BOXOFFICE_NODE_ADDRESS=127.0.0.1:0",
			"GOMAXPROCS=" + strconv.Itoa(max(1, runtime.NumCPU()/clusterSize)),
		}
		if i > 0 { // the first has made the key
			settings = append(settings,
				"BOXOFFICE_DATA_DIR="+filepath.Join(l.dir, "data-"+strconv.Itoa(i+1)),
				"BOXOFFICE_JWT_KEY=@"+filepath.Join(l.dir, "data", "jwt-key.pem"))
		}
		node, err := l.Start(ctx, Boxoffice, settings...)
		if err != nil {
			return nodes, err
		}
		nodes = append(nodes, node)
	}
	for _, node := range nodes {
		if err := node.awaitMembers(ctx, clusterSize); err != nil {
			return nodes, err
		}
	}
	return nodes, nil
}

// stopAll stops the nodes of a cluster, one after the other.
func stopAll(nodes []*Server) error {
	var errs []error
	for _, node := range nodes {
		errs = append(errs, node.Stop(rig.StopLimit))
	}
	return errors.Join(errs...)
}

// awaitMembers waits until a node counts so many that are ready.
func (s *Server) awaitMembers(ctx context.Context, count int) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	ticker := time.NewTicker(joinPoll)
	defer ticker.Stop()
	api := apiclient.New(0, 0)
	for {
		ready, err := s.members(ctx, api)
		if err == nil && ready == count {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s counts %d nodes and not %d: %w", s.URL, ready, count, errors.Join(ctx.Err(), err))
		}
	}
}

// members asks a node how many are ready.
func (s *Server) members(ctx context.Context, api *apiclient.Client) (ready int, err error) {
	var cluster struct{ Members []struct{ Ready bool } }
	err = api.Want(ctx, apiclient.Request{
		Method: http.MethodGet, URL: s.URL + "/api/v1/admin/cluster", AccessToken: s.AdminToken,
	}, &cluster)
	for _, m := range cluster.Members {
		if m.Ready {
			ready++
		}
	}
	return ready, err
}
