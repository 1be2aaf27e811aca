package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the kernel's unit of processor time in /proc, on every architecture.
const tick = 10 * time.Millisecond

// readUsage reads the usage of this machine and of this process's tree from /proc.
func readUsage() (usage, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return usage{}, fmt.Errorf("read the machine's processor time: %w", err)
	}
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	const user, idle, wait, steal = 1, 4, 5, 8 // columns; what follows is counted in user, too
	fields := bytes.Fields(line)
	if len(fields) <= steal {
		return usage{}, errors.New("read the machine's processor time: /proc/stat is too short")
	}
	var u usage
	for i := user; i <= steal; i++ {
		if i != idle && i != wait {
			u.busy += ticks(fields[i])
		}
	}
	u.ours = treeUsage(os.Getpid())
	return u, nil
}

// entry is what /proc says of a process.
type entry struct {
	parent int
	used   time.Duration // by itself and by its children that have ended
}

// treeUsage sums up the processor time of a process and its descendants.
func treeUsage(root int) time.Duration {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	entries := make(map[int]entry, len(paths))
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		// The name, in parentheses, may hold anything.
		fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
		const parent, first, last = 1, 11, 14 // utime, stime, cutime, cstime
		if len(fields) <= last {
			continue
		}
		var e entry
		e.parent, _ = strconv.Atoi(string(fields[parent]))
		for _, field := range fields[first : last+1] {
			e.used += ticks(field)
		}
		entries[pid] = e
	}
	var sum time.Duration
	for pid, e := range entries {
		if descends(entries, pid, root) {
			sum += e.used
		}
	}
	return sum
}

func descends(entries map[int]entry, pid, root int) bool {
	for range len(entries) {
		if pid == root {
			return true
		}
		e, ok := entries[pid]
		if !ok {
			return false
		}
		pid = e.parent
	}
	return false
}

func ticks(field []byte) time.Duration {
	n, _ := strconv.ParseInt(string(field), 10, 64) // the kernel writes numbers
	return time.Duration(n) * tick
}
