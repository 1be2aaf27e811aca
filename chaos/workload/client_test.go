package workload

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice/chaos/history"
)

// service is a node that a test makes up.
type service struct {
	api      *API
	recorder *history.Recorder

	mu      sync.Mutex
	headers []http.Header // of the requests
}

func serve(t *testing.T, nodes int, answer func(n int, w http.ResponseWriter, r *http.Request)) *service {
	t.Helper()
	s := &service{recorder: history.NewRecorder(time.Now())}
	var urls []string
	for range nodes {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			s.mu.Lock()
			s.headers = append(s.headers, r.Header.Clone())
			n := len(s.headers)
			s.mu.Unlock()
			answer(n, w, r)
		}))
		t.Cleanup(server.Close)
		urls = append(urls, server.URL)
	}
	s.api = NewAPI(urls, s.recorder)
	t.Cleanup(s.api.Close)
	return s
}

// seen returns the headers of the requests until now.
func (s *service) seen() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.headers)
}

func (s *service) client(index int) *client {
	c := newClient(s.api, 1, index, 1, []int64{5})
	c.users = []*user{testUser()}
	return c
}

func testUser() *user {
	return &user{id: uuid.New(), access: "access", places: make(map[int64]string), paid: make(map[int64]uuid.UUID)}
}

func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		answer func(http.ResponseWriter)
		result history.Result
		code   string
	}{
		"success": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) }, history.OK, ""},
		"refusal": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"status":409,"code":"seat-taken","availableSeats":[3]}`)
		}, history.Refused, "seat-taken"},
		"unavailable": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"status":503,"code":"unavailable"}`)
		}, history.Unknown, "unavailable"},
		"queue full": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"status":503,"code":"queue-full"}`)
		}, history.Refused, "queue-full"},
		"hung up": {hangUp, history.Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, 1, func(_ int, w http.ResponseWriter, _ *http.Request) { want.answer(w) })
			op := s.api.send(t.Context(), 1, 0, testUser().hold(5, 7).keyed("k"))
			require.Equal(t, want.result, op.Result)
			require.Equal(t, want.code, op.Code)
			require.Less(t, op.Call, op.Return)
			require.Len(t, s.seen(), 1, "each request is sent once")
			require.Equal(t, "k", s.seen()[0].Get("Idempotency-Key"))
			require.Equal(t, "Bearer access", s.seen()[0].Get("Authorization"))
			require.Len(t, s.recorder.Operations(), 1)
		})
	}
}

func TestAnUnreachableNodeIsAFailureForSure(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL
	server.Close()
	api := NewAPI([]string{url}, history.NewRecorder(time.Now()))
	require.Equal(t, history.Failed, api.send(t.Context(), 1, 0, testUser().points()).Result)
}

func TestClosingTheConnectionIsUnknown(t *testing.T) {
	t.Parallel()
	s := serve(t, 1, func(_ int, _ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // the client is gone; the server's end waits for that
	})
	q := testUser().hold(5, 7)
	q.abort = 10 * time.Millisecond
	require.Equal(t, history.Unknown, s.api.send(t.Context(), 1, 0, q).Result)
}

func TestHalfOfTheClientsTryAgainWithTheSameKey(t *testing.T) {
	t.Parallel()
	for index, attempts := range map[int]int{0: 3, 1: 3, 2: 1, 3: 1} {
		s := serve(t, 2, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 3 {
				hangUp(w)
			}
		})
		c := s.client(index)
		c.send(t.Context(), c.users[0].pay(5, uuid.New()).keyed("k"))
		require.Len(t, s.seen(), attempts, "client %d", index)
		for _, header := range s.seen() {
			require.Equal(t, "k", header.Get("Idempotency-Key"))
		}
	}
}

func TestAHoldWithoutAKeyIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, 1, func(_ int, w http.ResponseWriter, _ *http.Request) { hangUp(w) })
	c := s.client(0)
	c.send(t.Context(), c.users[0].hold(5, 7))
	require.Len(t, s.seen(), 1)
}

func TestHalfOfTheClientsStayWithANode(t *testing.T) {
	t.Parallel()
	for index, sticky := range map[int]bool{0: true, 1: false, 2: true, 3: false} {
		s := serve(t, 3, func(int, http.ResponseWriter, *http.Request) {})
		c := s.client(index)
		for range 30 {
			c.send(t.Context(), c.users[0].points())
		}
		nodes := make(map[int]bool)
		for _, op := range s.recorder.Operations() {
			nodes[op.Node] = true
		}
		require.Equal(t, sticky, len(nodes) == 1, "client %d", index)
	}
}

func TestBothGoToDifferentNodes(t *testing.T) {
	t.Parallel()
	s := serve(t, 2, func(int, http.ResponseWriter, *http.Request) {})
	c := s.client(1)
	q := c.users[0].charge(5).keyed("k")
	a, b := c.both(t.Context(), q, q)
	require.NotEqual(t, a.Node, b.Node)
	require.Equal(t, a.Request, b.Request)
}

func TestARunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	s := serve(t, 1, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 20 {
			stop()
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	s.client(1).run(ctx)
	require.GreaterOrEqual(t, len(s.seen()), 20)
}
