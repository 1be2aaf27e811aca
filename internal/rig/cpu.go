package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the kernel's unit of processor time in /proc, on every architecture that Go runs
// on.
const tick = 10 * time.Millisecond

// MachineCPU returns the processor time that the whole machine has used. It works only on
// Linux.
func MachineCPU() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read the machine's processor time: %w", err)
	}
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	const user, idle, wait, steal = 1, 4, 5, 8 // columns; what follows is counted in user, too
	fields := bytes.Fields(line)
	if len(fields) <= steal {
		return 0, errors.New("read the machine's processor time: /proc/stat is too short")
	}
	var busy time.Duration
	for i := user; i <= steal; i++ {
		if i != idle && i != wait {
			busy += ticks(fields[i])
		}
	}
	return busy, nil
}

// ProcessCPU returns the processor time that a process has used itself; 0 if that is
// unknown.
func ProcessCPU(pid int) time.Duration {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may have ended
	return parseStat(content).own
}

// TreeCPU sums up the processor time of a process and its descendants, those that have ended
// included; 0 if that is unknown.
func TreeCPU(root int) time.Duration {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	all := make(map[int]processStat, len(paths))
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		all[pid] = parseStat(content)
	}
	var sum time.Duration
	for pid, s := range all {
		for range len(all) { // up to the root, however the entries changed while they were read
			if pid == root {
				sum += s.own + s.ended
				break
			}
			pid = all[pid].parent
		}
	}
	return sum
}

// processStat is what /proc says of a process.
type processStat struct {
	parent int
	own    time.Duration
	ended  time.Duration // of its children that have ended
}

// parseStat reads /proc/PID/stat. The name, in parentheses, may hold anything.
func parseStat(content []byte) (s processStat) {
	fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
	const parent, user, system, childUser, childSystem = 1, 11, 12, 13, 14 // after the name
	if len(fields) <= childSystem {
		return s
	}
	s.parent, _ = strconv.Atoi(string(fields[parent]))
	s.own = ticks(fields[user]) + ticks(fields[system])
	s.ended = ticks(fields[childUser]) + ticks(fields[childSystem])
	return s
}

func ticks(field []byte) time.Duration {
	n, _ := strconv.ParseInt(string(field), 10, 64) // the kernel writes numbers
	return time.Duration(n) * tick
}
