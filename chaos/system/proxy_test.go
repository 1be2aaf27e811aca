package system

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is how long a test listens to make sure that nothing comes.
const quiet = 50 * time.Millisecond

// safetyNet ends a test that hangs.
const safetyNet = time.Minute

// echo is a server that sends back what it gets, and says goodbye at the end.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_, _ = conn.Write([]byte("bye"))
				_ = conn.Close()
			}()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-served
	})
	return listener.Addr().String()
}

func proxyTo(t *testing.T, target string, peerOf func(net.Addr) int) *Proxy {
	t.Helper()
	p, err := NewProxy("127.0.0.1:0", target, peerOf)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func dial(t *testing.T, p *Proxy) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(safetyNet)))
	return conn.(*net.TCPConn)
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := conn.Write([]byte(text))
	require.NoError(t, err)
}

func requireAnswer(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	answer := make([]byte, len(text))
	_, err := io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.Equal(t, text, string(answer))
}

func requireQuiet(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(quiet)))
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(safetyNet)))
}

func TestProxyPassesOn(t *testing.T) {
	t.Parallel()
	conn := dial(t, proxyTo(t, echo(t), nil))
	send(t, conn, "hello")
	requireAnswer(t, conn, "hello")
	require.NoError(t, conn.CloseWrite())
	rest, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "bye", string(rest))
}

func TestACutHoldsAndDelivers(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]Weather{
		"there": {CutTo: true}, "back": {CutFrom: true}, "both": {CutTo: true, CutFrom: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := proxyTo(t, echo(t), nil)
			conn := dial(t, p)
			send(t, conn, "a")
			requireAnswer(t, conn, "a")
			p.Set(cut)
			send(t, conn, "b")
			requireQuiet(t, conn)
			late := dial(t, p)
			send(t, late, "c")
			requireQuiet(t, late)
			p.Clear()
			requireAnswer(t, conn, "b")
			requireAnswer(t, late, "c")
		})
	}
}

func TestACutOfOnePeer(t *testing.T) {
	t.Parallel()
	peers := make(chan int, 2) // of the connections, in the order in which they come
	peers <- 1
	p := proxyTo(t, echo(t), func(net.Addr) int { return <-peers })
	first := dial(t, p)
	send(t, first, "a")
	requireAnswer(t, first, "a")
	peers <- 2
	second := dial(t, p)
	p.SetFor(1, Weather{CutFrom: true})
	send(t, first, "b")
	send(t, second, "c")
	requireAnswer(t, second, "c")
	requireQuiet(t, first)
	p.Clear()
	requireAnswer(t, first, "b")
}

func TestADelayIsBetweenAskingAndAnswering(t *testing.T) {
	t.Parallel()
	p := proxyTo(t, echo(t), nil)
	conn := dial(t, p)
	p.Set(Weather{Delay: quiet})
	began := time.Now()
	send(t, conn, "a")
	requireAnswer(t, conn, "a")
	require.GreaterOrEqual(t, time.Since(began), 2*quiet)
}

func TestATargetThatIsNotThereIsAReset(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := listener.Addr().String()
	require.NoError(t, listener.Close())
	conn, err := net.Dial("tcp", proxyTo(t, nobody, nil).Address)
	if err == nil { // else the reset came that early
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(safetyNet)))
		_, err = conn.Read(make([]byte, 1))
	}
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestClosingAProxyEndsItsConnections(t *testing.T) {
	t.Parallel()
	p, err := NewProxy("127.0.0.1:0", echo(t), nil)
	require.NoError(t, err)
	conn := dial(t, p)
	send(t, conn, "a")
	requireAnswer(t, conn, "a")
	held := dial(t, p)
	p.Set(Weather{CutTo: true})
	send(t, held, "b")
	require.NoError(t, p.Close())
	for _, c := range []net.Conn{conn, held} {
		_, err = io.ReadAll(c)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}

func TestASilentConnectionIsDeadForGood(t *testing.T) {
	t.Parallel()
	p := proxyTo(t, echo(t), nil)
	conn := dial(t, p)
	send(t, conn, "a")
	requireAnswer(t, conn, "a")
	p.Silence()
	send(t, conn, "b")
	requireQuiet(t, conn)
	fresh := dial(t, p)
	send(t, fresh, "c")
	requireAnswer(t, fresh, "c")
	p.Clear()
	send(t, conn, "d")
	requireQuiet(t, conn)
}

// commit is what the proxy takes for a commit and, since it comes back, for its answer.
const commit = "seat-held Z\x00\x00\x00\x05I"

func TestTheAnswerToACommitIsLost(t *testing.T) {
	t.Parallel()
	p := proxyTo(t, echo(t), nil)
	p.LoseAnswers(1)
	conn := dial(t, p)
	send(t, conn, "Z\x00\x00\x00\x05I") // no commit
	requireAnswer(t, conn, "Z\x00\x00\x00\x05I")
	send(t, conn, commit)
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	again := dial(t, p)
	send(t, again, commit)
	requireAnswer(t, again, commit)
}

func TestCommitsAreSlow(t *testing.T) {
	t.Parallel()
	p := proxyTo(t, echo(t), nil)
	p.Set(Weather{CommitDelay: 2 * quiet})
	conn := dial(t, p)
	send(t, conn, "a")
	requireAnswer(t, conn, "a")
	began := time.Now()
	send(t, conn, commit)
	requireAnswer(t, conn, commit)
	require.GreaterOrEqual(t, time.Since(began), 2*quiet)
}
