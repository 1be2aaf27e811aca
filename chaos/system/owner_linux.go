package system

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
)

// ownerOf returns which of some processes of this machine has the other end of a connection
// over the loopback interface: pids holds each one's id. It is anyPeer if none has. The
// kernel lists the inode of each socket, and each process's files.
func ownerOf(remote net.Addr, pids map[int]int) int {
	address, ok := remote.(*net.TCPAddr)
	if !ok || address.IP.To4() == nil {
		return anyPeer
	}
	ip := address.IP.To4()
	local := fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], address.Port)
	inode, ok := inodeOf(local)
	if !ok {
		return anyPeer
	}
	socket := "socket:[" + inode + "]"
	for pid, number := range pids {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended
		}
		for _, entry := range entries {
			if name, err := os.Readlink(dir + "/" + entry.Name()); err == nil && name == socket {
				return number
			}
		}
	}
	return anyPeer
}

// inodeOf finds the inode of the socket with a local address, in the kernel's notation.
func inodeOf(local string) (string, bool) {
	file, err := os.Open("/proc/net/tcp")
	if err != nil {
		return "", false
	}
	defer file.Close()
	const localField, inodeField = 1, 9
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > inodeField && fields[localField] == local {
			return fields[inodeField], true
		}
	}
	return "", false
}
