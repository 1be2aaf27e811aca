package system

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// errNoOwner means that nobody has a grain, or that its owner is none of the nodes.
var errNoOwner = errors.New("no node is known to own the grain")

// KillOwner kills the node that owns the waiting room of a schedule, calls meanwhile, and
// starts the node again.
func (s *System) KillOwner(ctx context.Context, scheduleID int64, meanwhile func(dead int) error) error {
	n, err := s.ownerOf(ctx, scheduleID)
	if err != nil {
		return err
	}
	n.Kill()
	defer n.Up()
	return meanwhile(n.Index)
}

// ownerOf finds the node that has activated a waiting room: the database has its member
// id, and the nodes' logs say which address that is of.
func (s *System) ownerOf(ctx context.Context, scheduleID int64) (*Node, error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	var member string
	err = conn.QueryRow(ctx, "SELECT owner FROM grains WHERE kind = 'gatekeeper' AND id = $1", scheduleID).Scan(&member)
	if err != nil {
		return nil, fmt.Errorf("find the owner of waiting room %d: %w", scheduleID, err)
	}
	if member == "" {
		return nil, errNoOwner
	}
	for _, n := range s.nodes {
		address, err := addressOf(n.log, member)
		if err != nil {
			return nil, err
		}
		for _, owner := range s.nodes {
			if address == owner.peers.Address {
				return owner, nil
			}
		}
	}
	return nil, errNoOwner
}

// addressOf finds a member's address in a node's log; "" if it says nothing of it.
func addressOf(path, member string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read a log: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if !bytes.Contains(lines.Bytes(), []byte(member)) {
			continue
		}
		var said struct{ Member, Address string }
		if json.Unmarshal(lines.Bytes(), &said) == nil && said.Member == member && said.Address != "" {
			return said.Address, nil
		}
	}
	return "", lines.Err()
}
