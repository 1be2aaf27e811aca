package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"boxoffice/persistence/localpostgres"
)

// Limits of servers. They are safety nets: a start may include making a database on a busy
// machine.
const (
	StartLimit = 3 * time.Minute
	// StopLimit is longer than a node may take to drain, which is 10 s.
	StopLimit  = 15 * time.Second
	probeLimit = 5 * time.Second
	probeEvery = 20 * time.Millisecond
)

// Server is a server that was started and is ready.
type Server struct {
	*Process

	// URL is where it answers, without a slash at its end.
	URL string
	// Log is what it wrote to stderr.
	Log *Output
}

// Serve starts a server and returns when it says that it is ready. What it writes to stderr
// goes to log as well; nil: nowhere.
func Serve(ctx context.Context, cmd *exec.Cmd, log io.Writer) (*Server, error) {
	s := &Server{Log: &Output{To: log}}
	cmd.Stderr = s.Log
	var err error
	if s.Process, err = Start(cmd); err != nil {
		return nil, err
	}
	if s.URL, err = s.Log.AwaitReady(ctx, s.Ended()); err != nil {
		s.Kill()
		return nil, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	return s, nil
}

// Stop ends the server as its operator does; an error has all that it said.
func (s *Server) Stop(limit time.Duration) error {
	if err := s.Process.Stop(limit); err != nil {
		return fmt.Errorf("%w:\n%s", err, s.Log)
	}
	return nil
}

// Program is the service's program, and what its commands find in their environment.
type Program struct {
	Path    string
	Environ []string
}

// Command prepares one of its commands, with more in its environment.
func (p Program) Command(more []string, args ...string) *exec.Cmd {
	return Command(append(append([]string{}, p.Environ...), more...), p.Path, args...)
}

// Run runs a command to its end and returns what it wrote to stdout. When ctx ends it is
// killed.
func (p Program) Run(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr Output
	cmd := p.Command(nil, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	process, err := Start(cmd)
	if err != nil {
		return "", err
	}
	select {
	case <-process.Ended():
	case <-ctx.Done():
		process.Kill()
		return "", ctx.Err()
	}
	if state := process.State(); !state.Success() {
		return "", fmt.Errorf("%s %s: %s: %s", filepath.Base(p.Path), strings.Join(args, " "), state, &stderr)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// AdminToken makes an access token with the role admin.
func (p Program) AdminToken(ctx context.Context) (string, error) {
	return p.Run(ctx, "token", "-role", "admin")
}

// IsReady reports whether a server answers a path with 200.
func IsReady(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// AwaitReady waits until a server answers with 200, for as long as a start may take. It
// returns early with what comes out of failed.
func AwaitReady(ctx context.Context, url string, failed <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, StartLimit)
	defer cancel()
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for !IsReady(ctx, url) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not become ready: %w", url, ctx.Err())
		case err := <-failed:
			return err
		case <-ticker.C:
		}
	}
	return nil
}

// FreeAddress finds an address of a host that nobody listens on, for a server that is
// started, and maybe started again, a moment later.
func FreeAddress(host string) (string, error) {
	port, err := localpostgres.FreePort(host)
	return net.JoinHostPort(host, strconv.Itoa(port)), err
}

// FreeAddresses finds several different ones.
func FreeAddresses(host string, count int) ([]string, error) {
	ports, err := FreePorts(host, count)
	all := make([]string, len(ports))
	for i, port := range ports {
		all[i] = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return all, err
}

// FreePorts finds the ports of such addresses.
func FreePorts(host string, count int) ([]int, error) {
	ports := make([]int, 0, count)
	for range 10 * count {
		port, err := localpostgres.FreePort(host)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
		if len(ports) == count {
			return ports, nil
		}
	}
	return nil, errors.New("find free ports: none left")
}
