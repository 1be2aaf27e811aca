package main

import (
	"context"
	"os"
	"sync"
	"time"

	"boxoffice/internal/rig"
)

// How the harness notices that the machine does other things as well.
const (
	sampleEvery = 250 * time.Millisecond
	// maxSlowdown bounds what is put down to others, and with it how far a goal is stretched.
	maxSlowdown = 2
	// busySlowdown is from when on a missed goal proves nothing.
	busySlowdown = 1.5
)

// usage is processor time since some moment.
type usage struct {
	busy time.Duration // of the whole machine, by all
	ours time.Duration // of this process and its descendants, those that have ended included
}

// sample is a usage at a time of the history's clock.
type sample struct {
	at time.Duration
	usage
}

// machine watches how much of the processors others take until it is stopped. What the
// nodes themselves take, however much, is never an excuse.
type machine struct {
	processors int
	running    sync.WaitGroup
	stop       context.CancelFunc

	mu      sync.Mutex
	samples []sample
}

// watchMachine reads usage again and again; where it cannot be read, nothing is known,
// and nothing excused.
func watchMachine(processors int, now func() time.Duration, read func() (usage, error)) *machine {
	ctx, stop := context.WithCancel(context.Background())
	m := &machine{processors: processors, stop: stop}
	m.running.Go(func() {
		ticker := time.NewTicker(sampleEvery)
		defer ticker.Stop()
		for {
			u, err := read()
			if err != nil {
				return
			}
			m.mu.Lock()
			m.samples = append(m.samples, sample{now(), u})
			m.mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
	return m
}

// readUsage reads the usage of this machine and of this process's tree.
func readUsage() (usage, error) {
	busy, err := rig.MachineCPU()
	return usage{busy: busy, ours: rig.TreeCPU(os.Getpid())}, err
}

// end stops the watch.
func (m *machine) end() {
	m.stop()
	m.running.Wait()
}

// slowdown returns how many times longer things took between two times than they would have
// on a machine without others: its processors, by what the others left of them.
func (m *machine) slowdown(from, to time.Duration) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	first, last := -1, -1
	for i, s := range m.samples {
		if s.at <= from || first < 0 {
			first = i
		}
		last = i
		if s.at >= to {
			break
		}
	}
	if last <= first {
		return 1
	}
	a, b := m.samples[first], m.samples[last]
	all := float64(m.processors) * (b.at - a.at).Seconds()
	others := max(0, (b.busy - a.busy - (b.ours - a.ours)).Seconds())
	if left := all - others; left > all/maxSlowdown {
		return all / left
	}
	return maxSlowdown
}
