package main

import (
	"context"
	"time"
)

// How a node notices that it has lost PostgreSQL, and the other nodes have not. Together
// with the cluster's second of patience its schedules move within two seconds.
const (
	databaseCheckEvery = 250 * time.Millisecond
	databaseCheckLimit = 750 * time.Millisecond // for one answer
)

// watchDatabase tells the cluster whether this node reaches PostgreSQL: one that does not,
// while others do, is to give its grains to them.
func (n *node) watchDatabase(ctx context.Context) {
	ticker := time.NewTicker(databaseCheckEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		check, cancel := context.WithTimeout(ctx, databaseCheckLimit)
		err := n.db.Ready(check)
		cancel()
		if ctx.Err() == nil {
			n.member.SetAble(err == nil)
		}
	}
}
