package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Bounds of the tests that start a node.
const (
	startLimit = time.Minute      // initdb on a busy machine included
	stopLimit  = 10 * time.Second // of a drain: a promise of the program
	pollEvery  = 20 * time.Millisecond
)

// readyLine finds the address in what a node writes to stderr when it is ready.
var readyLine = regexp.MustCompile(`ready at (http://\S+) `)

// process is a running program: in this process, or in one of its own.
type process struct {
	t    *testing.T
	url  string
	stop func() // asks it to drain
	cmd  *exec.Cmd
	http *http.Client

	mu     sync.Mutex
	log    []string
	exited chan struct{} // closed with status set
	status int
}

// nodeEnviron is what the nodes of tests run with where environ does not say otherwise.
func nodeEnviron(environ []string) []string {
	return slices.Concat([]string{"BOXOFFICE_LISTEN=127.0.0.1:0", "BOXOFFICE_DEMO=false"}, environ)
}

// newProcess follows what a node writes to stderr until wait returns its exit status.
func newProcess(t *testing.T, stderr io.Reader, stop func(), wait func() int) *process {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	n := &process{t: t, stop: stop, exited: make(chan struct{}), http: &http.Client{Transport: transport, Timeout: 15 * time.Second}}
	var followed sync.WaitGroup
	followed.Go(func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			n.mu.Lock()
			n.log = append(n.log, lines.Text())
			n.mu.Unlock()
		}
	})
	var ended sync.WaitGroup
	ended.Go(func() {
		followed.Wait()
		n.status = wait()
		close(n.exited)
	})
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		n.stop()
		select {
		case <-n.exited:
		case <-time.After(2 * stopLimit):
			if n.cmd != nil {
				n.signal(syscall.SIGKILL)
			}
			t.Error("the node did not stop")
		}
		ended.Wait()
		if t.Failed() {
			t.Logf("the node's log:\n%s", n.logged())
		}
	})
	return n
}

// launchHere runs a node in this process, where goleak sees what it leaves behind, and
// waits until it is ready.
func launchHere(t *testing.T, environ ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	reader, writer := io.Pipe()
	status := make(chan int, 1)
	go func() { // ends before wait does
		defer func() { _ = writer.Close() }()
		status <- run(ctx, nil, nodeEnviron(environ), io.Discard, writer)
	}()
	return newProcess(t, reader, cancel, func() int { return <-status }).ready()
}

// launchProcess runs a node in a process of its own and waits until it is ready.
func launchProcess(t *testing.T, environ ...string) *process {
	t.Helper()
	return startProcess(t, programCommand(t), environ...).ready()
}

// programCommand is the program as a process: this test binary.
func programCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return exec.CommandContext(context.WithoutCancel(t.Context()), path, args...)
}

// startProcess starts a node and does not wait.
func startProcess(t *testing.T, cmd *exec.Cmd, environ ...string) *process {
	t.Helper()
	cmd.Env = slices.Concat([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH")}, nodeEnviron(environ))
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	n := newProcess(t, stderr, func() { _ = cmd.Process.Signal(syscall.SIGTERM) }, func() int {
		_ = cmd.Wait()
		return cmd.ProcessState.ExitCode()
	})
	n.cmd = cmd
	return n
}

// ready waits for the ready line.
func (n *process) ready() *process {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		found := readyLine.FindStringSubmatch(n.logged())
		if found == nil {
			select {
			case <-n.exited:
				require.FailNow(n.t, "the node ended before it was ready", n.logged())
			default:
			}
			return false
		}
		n.url = found[1]
		return true
	}, startLimit, pollEvery, "the node did not become ready")
	return n
}

func (n *process) logged() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.log, "\n")
}

func (n *process) signal(sig syscall.Signal) {
	require.NoError(n.t, n.cmd.Process.Signal(sig))
}

// drain stops the node as SIGTERM does and gives its exit status. It fails the test if
// that takes longer than promised.
func (n *process) drain() int {
	n.t.Helper()
	began := time.Now()
	n.stop()
	status := n.wait()
	require.Less(n.t, time.Since(began), stopLimit, "draining took too long")
	return status
}

// wait waits for the node's exit status.
func (n *process) wait() int {
	n.t.Helper()
	select {
	case <-n.exited:
	case <-time.After(startLimit):
		require.FailNow(n.t, "the node did not end")
	}
	return n.status
}

// fetch reads a text, with status 200, at an absolute URL.
func (n *process) fetch(url string) string {
	n.t.Helper()
	request, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, url, nil)
	require.NoError(n.t, err)
	response, err := n.http.Do(request)
	require.NoError(n.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(n.t, err)
	require.Equal(n.t, http.StatusOK, response.StatusCode)
	return string(content)
}

// listenSomewhere takes a port of this machine.
func listenSomewhere(t *testing.T) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return listener
}

// nobody is an address on which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener := listenSomewhere(t)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// dial connects to an address, if somebody listens there.
func dial(t *testing.T, address string) (net.Conn, error) {
	t.Helper()
	return new(net.Dialer).DialContext(t.Context(), "tcp", address)
}

// reply is what a call came back with.
type reply struct {
	status int
	header http.Header
	body   map[string]any
}

// call sends one request; body may be nil, headers come in pairs.
func (n *process) call(method, path string, body any, headers ...string) reply {
	n.t.Helper()
	r, err := n.try(method, path, body, headers...)
	require.NoError(n.t, err)
	return r
}

func (n *process) try(method, path string, body any, headers ...string) (reply, error) {
	var payload io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return reply{}, err
		}
		payload = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(context.WithoutCancel(n.t.Context()), method, n.url+path, payload)
	if err != nil {
		return reply{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return n.do(request)
}

// do sends a request that is complete.
func (n *process) do(request *http.Request) (reply, error) {
	response, err := n.http.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: response.StatusCode, header: response.Header}
	if len(content) > 0 && strings.Contains(response.Header.Get("Content-Type"), "json") {
		decoder := json.NewDecoder(bytes.NewReader(content))
		decoder.UseNumber()
		err = decoder.Decode(&r.body)
	}
	return r, err
}

// text gives a string or number of the body as text; "" where there is none.
func (r reply) text(member string) string {
	switch value := r.body[member].(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	default:
		return ""
	}
}
