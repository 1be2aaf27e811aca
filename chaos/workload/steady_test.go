package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice/chaos/history"
)

// seller is a node that sells everything that is asked for, but for what broken refuses.
type seller struct {
	mu     sync.Mutex
	broken func(r *http.Request) int // status; 0: it is not
	keys   map[string]int            // how often each was sent

	schedules int // that were put on sale
}

func (s *seller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	s.keys[r.Header.Get("Idempotency-Key")]++
	status := s.broken(r)
	if strings.HasSuffix(r.URL.Path, "/schedules") {
		s.schedules++
	}
	id := s.schedules
	s.mu.Unlock()
	if status != 0 {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"status":%d,"code":"unavailable"}`, status)
		return
	}
	answer := map[string]any{
		"concertId": 1, "scheduleId": id, "userId": uuid.New(), "accessToken": "a", "token": "",
		"reservationId": uuid.New(), "paymentId": uuid.New(),
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(answer)
}

func steady(t *testing.T, broken func(*http.Request) int) (*Steady, *seller) {
	t.Helper()
	return steadyOf(t, 1, broken)
}

func steadyOf(t *testing.T, schedules int, broken func(*http.Request) int) (*Steady, *seller) {
	t.Helper()
	s := &seller{broken: broken, keys: make(map[string]int)}
	var urls []string
	for range 2 {
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		urls = append(urls, server.URL)
	}
	load, err := NewSteady(t.Context(), Config{URLs: urls, Recorder: history.NewRecorder(time.Now())}, 1000, schedules)
	require.NoError(t, err)
	t.Cleanup(load.Close)
	return load, s
}

// doing lets a load go until it has done so many requests.
func (s *Steady) doing(t *testing.T, requests int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	require.Eventually(t, func() bool { return len(s.Requests()) >= requests }, time.Minute, time.Millisecond)
	stop()
	running.Wait()
}

func TestASteadyLoadBuysAndGivesBack(t *testing.T) {
	t.Parallel()
	load, _ := steady(t, func(*http.Request) int { return 0 })
	load.doing(t, 300)
	kinds := make(map[history.Kind]int)
	for _, op := range load.cfg.Recorder.Operations() {
		if op.Client == steadyClient {
			kinds[op.Kind]++
			require.Equal(t, history.OK, op.Result)
		}
	}
	require.Len(t, kinds, 4)
	for _, r := range load.Requests() {
		require.Equal(t, 1, r.Tries)
		require.GreaterOrEqual(t, r.Done, r.Due)
	}
}

func TestASteadyLoadAsksEveryNodeForEverySchedule(t *testing.T) {
	t.Parallel()
	// As many schedules as nodes: whoever took the nodes in turn over all of them would ask
	// for each at one node only.
	load, _ := steadyOf(t, 2, func(*http.Request) int { return 0 })
	load.doing(t, 300)
	asked := make(map[[2]int64]int)
	for _, op := range load.cfg.Recorder.Operations() {
		if op.Client == steadyClient {
			asked[[2]int64{op.Request.ScheduleID, int64(op.Node)}]++
		}
	}
	require.Len(t, asked, 4)
	for _, id := range load.ScheduleIDs {
		require.InDelta(t, asked[[2]int64{id, 0}], asked[[2]int64{id, 1}], 1, "requests for schedule %d at each node", id)
	}
}

func TestASteadyLoadAsksOnceMore(t *testing.T) {
	t.Parallel()
	refused := ""
	load, s := steady(t, func(r *http.Request) int {
		if strings.HasSuffix(r.URL.Path, "/reservations") && refused == "" {
			refused = r.Header.Get("Idempotency-Key")
			return http.StatusServiceUnavailable
		}
		return 0
	})
	load.doing(t, 100)
	for _, r := range load.Requests() {
		require.False(t, r.Failed)
		require.LessOrEqual(t, r.Tries, 2)
	}
	require.Equal(t, 2, s.keys[refused], "with the same key")
}

func TestABuyerWhoKnowsNothingLooks(t *testing.T) {
	t.Parallel()
	b := &buyer{user: testUser(), scheduleID: 1, seat: 2, next: history.Pay}
	b.learn(history.Operation{Result: history.Unknown})
	require.Equal(t, history.MyHolds, b.ask().kind)
	payment := uuid.New()
	b.learn(history.Operation{Result: history.OK, Answer: history.Answer{Items: []history.Item{{Status: "confirmed", PaymentID: &payment}}}})
	require.Equal(t, history.Cancel, b.ask().kind)
	require.Equal(t, payment, b.payment)
	b.next = history.MyHolds
	b.learn(history.Operation{Result: history.OK, Answer: history.Answer{Items: []history.Item{{Status: "held", ReservationID: payment}}}})
	require.Equal(t, history.Pay, b.ask().kind)
	b.next = history.MyHolds
	b.learn(history.Operation{Result: history.OK})
	require.Equal(t, history.Join, b.ask().kind)
}
