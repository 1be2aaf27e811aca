package main

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRateLimit asks for more than an address may, and again when it was told to.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	const perSecond = 5
	h := openHouse(t, "BOXOFFICE_RATE_LIMIT="+strconv.Itoa(perSecond))
	anybody := h.nobody(t)
	began := time.Now()
	allowed := 0
	var throttled *reply
	for _, r := range stampede(t, 40, func(int) (reply, error) { return anybody.try("GET", "/concerts", nil) }) {
		if r.status == http.StatusOK {
			allowed++
			continue
		}
		requireProblem(t, http.StatusTooManyRequests, "rate-limited", r)
		throttled = &r
	}
	most := perSecond + int(time.Since(began).Seconds()*perSecond) + 1
	require.LessOrEqual(t, allowed, most)
	require.NotNil(t, throttled, "nobody was throttled")
	require.Equal(t, http.StatusOK, h.call("GET", "/livez", nil).status, "the calls of operations do not count")
	seconds, err := strconv.Atoi(throttled.header.Get("Retry-After"))
	require.NoError(t, err)
	waitUntil(t, time.Now().Add(time.Duration(seconds)*time.Second))
	anybody.get("/concerts")
}
