//go:build !linux

package system

import "net"

// ownerOf cannot be told without /proc: cuts between nodes hit all of them.
func ownerOf(net.Addr, map[int]int) int { return anyPeer }
