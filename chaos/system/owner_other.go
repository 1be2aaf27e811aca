//go:build !linux

package system

import "net"

// ownerOf returns anyPeer: without /proc the owner is unknown, and cuts between nodes hit
// all of them.
func ownerOf(net.Addr, map[int]int) int { return anyPeer }
