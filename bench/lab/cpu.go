package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CPU is the processor time that was used while a load ran. Where the system does not
// tell, it is zero.
type CPU struct {
	Nodes    time.Duration // all servers, with the NATS server of a cluster
	Postgres time.Duration
	Client   time.Duration
}

const (
	// sampleEvery is often enough for loads of seconds. To sample costs a file of /proc for
	// each process, and there is one for each connection to Postgres.
	sampleEvery = 500 * time.Millisecond
	// tick is the unit of /proc/PID/stat. Linux shows it as 1/100 s on every architecture
	// that Go runs on.
	tick = 10 * time.Millisecond
)

// sample is what processes had used by a time.
type sample struct {
	at   time.Time
	used CPU
}

type samples []sample

// between is what was used from one time to another, evenly from sample to sample. Nothing
// is known of the time before the first and after the last.
func (s samples) between(from, to time.Time) CPU {
	a, b := s.at(from), s.at(to)
	return CPU{Nodes: b.Nodes - a.Nodes, Postgres: b.Postgres - a.Postgres, Client: b.Client - a.Client}
}

func (s samples) at(when time.Time) CPU {
	i, _ := slices.BinarySearchFunc(s, when, func(other sample, when time.Time) int { return other.at.Compare(when) })
	switch {
	case len(s) == 0:
		return CPU{}
	case i == 0:
		return s[0].used
	case i == len(s):
		return s[i-1].used
	}
	a, b := s[i-1], s[i]
	part := float64(when.Sub(a.at)) / float64(b.at.Sub(a.at))
	mix := func(a, b time.Duration) time.Duration { return a + time.Duration(part*float64(b-a)) }
	return CPU{
		Nodes: mix(a.used.Nodes, b.used.Nodes), Postgres: mix(a.used.Postgres, b.used.Postgres),
		Client: mix(a.used.Client, b.used.Client),
	}
}

// cpuWatch samples until it is ended.
type cpuWatch struct {
	stop  chan struct{}
	taken chan samples
}

// watchCPU starts to sample what servers, Postgres and a client use.
func (l *Lab) watchCPU(servers []*Server, client int) *cpuWatch {
	w := &cpuWatch{stop: make(chan struct{}), taken: make(chan samples, 1)}
	postgres := postmaster(filepath.Join(l.dir, "postgres", "data", "postmaster.pid"))
	take := func() sample {
		s := sample{at: time.Now(), used: CPU{Postgres: familyCPU(postgres), Client: processCPU(client, false)}}
		for _, server := range servers {
			s.used.Nodes += processCPU(server.PID, false)
		}
		if l.nats != nil && len(servers) > 1 { // it runs in this process, which does little else
			s.used.Nodes += processCPU(os.Getpid(), false)
		}
		return s
	}
	go func() {
		ticker := time.NewTicker(sampleEvery)
		defer ticker.Stop()
		taken := samples{take()}
		for {
			select {
			case <-ticker.C:
				taken = append(taken, take())
			case <-w.stop:
				w.taken <- taken
				return
			}
		}
	}()
	return w
}

// end gives what was sampled. It does not sample once more: the client is gone.
func (w *cpuWatch) end() samples {
	close(w.stop)
	return <-w.taken
}

// postmaster reads the process id of a Postgres; 0 where there is none.
func postmaster(file string) int {
	content, _ := os.ReadFile(file) // see CPU
	line, _, _ := strings.Cut(string(content), "\n")
	pid, _ := strconv.Atoi(line)
	return pid
}

// familyCPU is the processor time of a process and its children, those that have ended
// included.
func familyCPU(pid int) time.Duration {
	used := processCPU(pid, true)
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)) // see CPU
	for child := range strings.FieldsSeq(string(children)) {
		if child, err := strconv.Atoi(child); err == nil {
			used += processCPU(child, false)
		}
	}
	return used
}

// processCPU is the processor time of a process, with or without that of its children
// which have ended; 0 where nobody tells.
func processCPU(pid int, ended bool) time.Duration {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // see CPU
	return statCPU(string(content), ended)
}

// statCPU reads a line of /proc/PID/stat. The name, in parentheses, may hold anything.
func statCPU(line string, ended bool) time.Duration {
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	const user, system, childUser, childSystem = 11, 12, 13, 14 // after the name
	if len(fields) <= childSystem {
		return 0
	}
	wanted := []int{user, system}
	if ended {
		wanted = append(wanted, childUser, childSystem)
	}
	ticks := 0
	for _, i := range wanted {
		n, _ := strconv.Atoi(fields[i]) // the kernel writes numbers
		ticks += n
	}
	return time.Duration(ticks) * tick
}
