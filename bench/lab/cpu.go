package lab

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"boxoffice/internal/rig"
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

// watchCPU samples what servers, Postgres and a client use, until the client or ctx ends.
func (l *Lab) watchCPU(ctx context.Context, servers []*Server, client *rig.Process) (taken samples) {
	postgres := postmaster(filepath.Join(l.dir, "postgres", "data", "postmaster.pid"))
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		s := sample{at: time.Now(), used: CPU{Postgres: rig.TreeCPU(postgres), Client: rig.ProcessCPU(client.PID())}}
		for _, server := range servers {
			s.used.Nodes += rig.ProcessCPU(server.PID())
		}
		if l.nats != nil && len(servers) > 1 { // it runs in this process, which does little else
			s.used.Nodes += rig.ProcessCPU(os.Getpid())
		}
		select {
		case <-client.Ended(): // it may have used nothing any more in this one
			return taken
		default:
			taken = append(taken, s)
		}
		select {
		case <-ticker.C:
		case <-client.Ended():
			return taken
		case <-ctx.Done():
			return taken
		}
	}
}

// postmaster reads the process id of a Postgres; 0 where there is none.
func postmaster(file string) int {
	content, _ := os.ReadFile(file) // see CPU
	line, _, _ := strings.Cut(string(content), "\n")
	pid, _ := strconv.Atoi(line)
	return pid
}
