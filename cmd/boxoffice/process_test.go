package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice/internal/apiclient"
	"boxoffice/internal/rig"
)

// Bounds of the tests that start a node.
const (
	startLimit = rig.StartLimit   // a safety net
	stopLimit  = 10 * time.Second // of a drain: a promise of the program
	pollEvery  = 20 * time.Millisecond
	// requestLimit is longer than any answer of a node takes.
	requestLimit = 15 * time.Second
)

// process is a running program: in this process, or in one of its own.
type process struct {
	t       *testing.T
	url     string
	stop    func() // asks it to drain
	started *rig.Process
	api     *apiclient.Client
	http    *http.Client // of api
	log     *rig.Output  // what it has written to stderr

	exited chan struct{} // closed with status set
	status int
}

// nodeEnviron is what the nodes of tests run with where environ does not say otherwise.
func nodeEnviron(environ []string) []string {
	return slices.Concat([]string{"BOXOFFICE_LISTEN=127.0.0.1:0", "BOXOFFICE_DEMO=false"}, environ)
}

// newProcess looks after a node until wait returns its exit status.
func newProcess(t *testing.T, log *rig.Output, stop func(), wait func() int) *process {
	t.Helper()
	n := &process{t: t, stop: stop, log: log, exited: make(chan struct{}), api: apiclient.New(64, requestLimit)}
	n.http = n.api.HTTP
	var ended sync.WaitGroup
	ended.Go(func() {
		n.status = wait()
		close(n.exited)
	})
	t.Cleanup(func() {
		n.api.Close()
		n.stop()
		select {
		case <-n.exited:
		case <-time.After(startLimit):
			if n.started != nil {
				n.started.Kill()
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
	log := new(rig.Output)
	status := make(chan int, 1)
	go func() { status <- run(ctx, nil, nodeEnviron(environ), io.Discard, log) }() // ends before wait does
	return newProcess(t, log, cancel, func() int { return <-status }).ready()
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
	return rig.Command(nil, path, args...)
}

// startProcess starts a node and does not wait.
func startProcess(t *testing.T, cmd *exec.Cmd, environ ...string) *process {
	t.Helper()
	cmd.Env = slices.Concat([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH")}, nodeEnviron(environ))
	log := new(rig.Output)
	cmd.Stderr = log
	started, err := rig.Start(cmd)
	require.NoError(t, err)
	n := newProcess(t, log, func() { started.Signal(syscall.SIGTERM) }, func() int { return started.State().ExitCode() })
	n.started = started
	return n
}

// ready waits for the ready line.
func (n *process) ready() *process {
	n.t.Helper()
	var err error
	n.url, err = n.log.AwaitReady(n.t.Context(), n.exited)
	require.NoError(n.t, err, "the node did not become ready")
	return n
}

func (n *process) logged() string { return strings.TrimSuffix(n.log.String(), "\n") }

func (n *process) signal(sig syscall.Signal) { n.started.Signal(sig) }

// drain stops the node as SIGTERM does and returns its exit status. It fails the test if
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
	answer, err := n.api.Do(n.t.Context(), apiclient.Request{Method: http.MethodGet, URL: url})
	require.NoError(n.t, err)
	require.Equal(n.t, http.StatusOK, answer.Status)
	return string(answer.Body)
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
	answer, err := n.api.Do(context.WithoutCancel(n.t.Context()),
		apiclient.Request{Method: method, URL: n.url + path, Body: body, Headers: headers})
	if err != nil {
		return reply{}, err
	}
	return readReply(answer)
}

// do sends a request that is complete.
func (n *process) do(request *http.Request) (reply, error) {
	answer, err := n.api.Send(request)
	if err != nil {
		return reply{}, err
	}
	return readReply(answer)
}

func readReply(answer apiclient.Response) (reply, error) {
	r := reply{status: answer.Status, header: answer.Header}
	if len(answer.Body) == 0 || !strings.Contains(answer.Header.Get("Content-Type"), "json") {
		return r, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(answer.Body))
	decoder.UseNumber()
	return r, decoder.Decode(&r.body)
}

// text returns a string or number of the body as text; "" where there is none.
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
