package main

import (
	"io"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice/cluster/localnats"
	"boxoffice/persistence/postgrestest"
)

// TestSeatsLookTheSameFromEveryNode changes seats through two nodes: the one that was
// asked shows it at once, the other one within a second, whichever of the two owns the
// schedule, and both without asking the grain each time.
func TestSeatsLookTheSameFromEveryNode(t *testing.T) {
	t.Parallel()
	const schedules = 6 // all on one node once in 32 runs: then less is tested, nothing fails
	url := postgrestest.Database(t)
	bus, err := localnats.Start(t.Context(), localnats.Config{StoreDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(bus.Stop)
	dir, environ := t.TempDir(), []string{"BOXOFFICE_DATABASE_URL=" + url, "BOXOFFICE_NATS_URL=" + bus.URL}
	first, second := reopenHouse(t, dir, environ...), reopenHouse(t, dir, environ...)
	buyer := first.register(t, "Commuter")
	buyer.charge(10 * seatPrice)
	longest := time.Duration(0)
	for range schedules {
		s := first.stage(t, body{})
		for _, h := range []*house{first, second} { // somebody looks on both
			require.Equal(t, "available", h.organiser(t).seats(s).Seats[6].Status)
		}
		for _, way := range [][2]*house{{first, second}, {second, first}} {
			here, there := way[0], way[1]
			shows := func(status string) {
				require.Equal(t, status, here.organiser(t).seats(s).Seats[6].Status)
				acknowledged := time.Now()
				for there.organiser(t).seats(s).Seats[6].Status != status {
					require.Less(t, time.Since(acknowledged), soon)
				}
				longest = max(longest, time.Since(acknowledged))
			}
			p := buyer.at(here)
			p.enter(s)
			held := p.hold(s, 7)
			shows("held")
			p.must(204, "DELETE", "/reservations/"+held.ReservationID, nil)
			shows("available")
			paid := p.pay(p.hold(s, 7).ReservationID)
			shows("sold")
			p.refused(403, "queue-token-expired", "GET", s.path()+"/seats", nil)
			require.Eventually(t, func() bool {
				r, err := p.at(there).try("GET", s.path()+"/seats", nil)
				return err == nil && r.text("code") == "queue-token-expired"
			}, soon, time.Millisecond, "its place was used up")
			p.cancel(paid.PaymentID)
			shows("available")
		}
	}
	t.Logf("the longest that the other node took: %s", longest)
	for _, h := range []*house{first, second} {
		require.Positive(t, h.answers(t, "replica"))
		require.Greater(t, h.answers(t, "replica"), 20*h.answers(t, "grain"))
	}
}

// answers is how many seat maps a node has shown out of its replicas, or asked grains for.
func (h *house) answers(t *testing.T, by string) int {
	t.Helper()
	answer, err := h.http.Get(h.url + "/metrics")
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^boxoffice_edge_answers_total{by="` + by + `",kind="schedule"} (\S+)$`).FindSubmatch(text)
	require.NotNil(t, found)
	count, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(t, err)
	return int(count)
}
