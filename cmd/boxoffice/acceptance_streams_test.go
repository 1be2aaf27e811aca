package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// told is one event of a stream; the zero value is the end of it.
type told struct {
	name, id, data string
	at             time.Time
}

// listener is a client of one stream.
type listener struct {
	t      *testing.T
	header http.Header
	events chan told // closed when the stream has ended well
	hangUp func()
}

// listen opens a stream; headers are those of [person.try].
func (p *person) listen(path string, headers ...string) *listener {
	p.t.Helper()
	ctx, hangUp := context.WithCancel(p.t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.house.url+"/api/v1"+path, nil)
	require.NoError(p.t, err)
	for name, value := range map[string]string{"Authorization": "Bearer " + p.token, queueToken: p.place} {
		if value != "" && value != "Bearer " {
			request.Header.Set(name, value)
		}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	require.NoError(p.t, err)
	require.Equal(p.t, http.StatusOK, response.StatusCode)
	l := &listener{t: p.t, header: response.Header, events: make(chan told, 1_000), hangUp: hangUp}
	ended := make(chan error, 1)
	go func() { // ends with the response's body
		defer response.Body.Close()
		ended <- l.read(response.Body)
		close(l.events)
	}()
	p.t.Cleanup(func() {
		hangUp()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			require.NoError(p.t, err, "a stream that the node ends, ends well")
		}
	})
	return l
}

func (l *listener) read(body io.Reader) error {
	var e told
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data, e.at = value, time.Now()
		case "":
			if e.data != "" {
				l.events <- e
			}
			e = told{}
		}
	}
	return lines.Err()
}

// next waits for an event of a name, and reads its data into value.
func (l *listener) next(name string, value any) told {
	l.t.Helper()
	select {
	case e := <-l.events:
		require.Equal(l.t, name, e.name, e.data)
		require.NoError(l.t, json.Unmarshal([]byte(e.data), value))
		return e
	case <-time.After(soon):
		require.FailNow(l.t, "nothing is told")
		return told{}
	}
}

// end waits for the end of the stream, which has nothing more to tell.
func (l *listener) end() {
	l.t.Helper()
	select {
	case e, more := <-l.events:
		require.False(l.t, more, "%+v", e)
	case <-time.After(soon):
		require.FailNow(l.t, "the stream does not end")
	}
}

// over waits for the end of the stream, whatever it tells before.
func (l *listener) over() {
	l.t.Helper()
	for deadline := time.After(soon); ; {
		select {
		case _, more := <-l.events:
			if !more {
				return
			}
		case <-deadline:
			require.FailNow(l.t, "the stream does not end")
		}
	}
}

// place waits for an event with the wanted place.
func (l *listener) place(wanted func(place) bool) (place, time.Time) {
	l.t.Helper()
	for {
		var p place
		e := l.next("place", &p)
		require.Empty(l.t, e.id)
		if wanted(p) {
			return p, e.at
		}
	}
}

func hasStatus(status string) func(place) bool {
	return func(p place) bool { return p.Status == status }
}

// testPlaceStream follows places that move up, are let in, are left, and end with the sales.
func testPlaceStream(t *testing.T, h *house) {
	s := h.stage(t, body{"capacity": 1})
	people := h.registerAll(t, 3)
	inside, second, third := people[0], people[1], people[2]
	inside.enter(s)
	for _, p := range []*person{second, third} {
		require.Equal(t, "waiting", p.join(s).Status)
	}
	following := third.listen(s.me()+"/events", "Authorization", "Bearer nonsense")
	require.Equal(t, "text/event-stream", following.header.Get("Content-Type"))
	require.NotEmpty(t, following.header.Get("X-Request-Id"))
	got, _ := following.place(hasStatus("waiting"))
	require.Equal(t, 2, got.Position)
	require.Equal(t, third.place, got.Token)

	left := second.listen(s.me() + "/events")
	left.place(hasStatus("waiting"))
	second.leave(s)
	got, _ = left.place(hasStatus("expired"))
	require.Equal(t, second.place, got.Token)
	left.end()
	second.refused(http.StatusGone, "queue-token-expired", "GET", s.me()+"/events", nil)

	_, moved := following.place(func(p place) bool { return p.Position == 1 })
	inside.leave(s)
	got, entered := following.place(hasStatus("admitted"))
	require.Greater(t, entered.Sub(moved), time.Second/2, "events are a second apart where they are sent")
	require.NotEqual(t, third.place, got.Token)
	following.end()
	third.place = got.Token // with which its holder is in
	third.hold(s, 1)
	already := third.listen(s.me() + "/events")
	already.place(hasStatus("admitted"))
	already.end()

	closes := time.Now().Add(2 * time.Second).Truncate(time.Millisecond)
	s = h.stage(t, body{"salesCloseAt": instant(closes)})
	h.configure(t, s, body{"paused": true})
	require.Equal(t, "waiting", inside.join(s).Status)
	ended := inside.listen(s.me() + "/events")
	_, at := ended.place(hasStatus("expired"))
	require.False(t, at.Before(closes.Add(-clockSlack)))
	ended.end()
}

// seatNews is the data of a seat's event.
type seatNews struct {
	Version    int64  `json:"version"`
	SeatNumber int    `json:"seatNumber"`
	Status     string `json:"status"`
}

// whole waits for the whole map.
func (l *listener) whole() seatMap {
	l.t.Helper()
	var seats seatMap
	e := l.next("seats", &seats)
	require.Equal(l.t, strconv.FormatInt(seats.Version, 10), e.id)
	require.Len(l.t, seats.Seats, 50)
	return seats
}

// seat waits for the change of a seat.
func (l *listener) seat(version int64, number int, status string) {
	l.t.Helper()
	var news seatNews
	e := l.next("seat", &news)
	require.Equal(l.t, seatNews{version, number, status}, news)
	require.Equal(l.t, strconv.FormatInt(version, 10), e.id)
}

// testSeatStream follows seats as their owner, as somebody else inside, and as an admin.
func testSeatStream(t *testing.T, h *house) {
	s := h.stage(t, nil)
	people := h.audience(t, s, 2)
	owner, looker := people[0], people[1]
	owner.charge(seatPrice)
	events := s.path() + "/seats/events"
	looking, owning, admin := looker.listen(events), owner.listen(events), h.organiser(t).listen(events)
	began := looking.whole().Version
	require.Equal(t, began, owning.whole().Version)
	require.Equal(t, began, admin.whole().Version)

	hold := owner.hold(s, 17)
	for _, l := range []*listener{looking, owning, admin} {
		l.seat(began+1, 17, "held")
	}
	sale := owner.pay(hold.ReservationID)
	for _, l := range []*listener{looking, admin} {
		l.seat(began+2, 17, "sold")
	}
	// The payment has used up its owner's place: the stream is over within a second, be it
	// before or after its last event.
	owning.over()
	owner.refused(http.StatusForbidden, "queue-token-expired", "GET", events, nil)
	owner.cancel(sale.PaymentID)
	for _, l := range []*listener{looking, admin} {
		l.seat(began+3, 17, "available")
	}

	// A stream that broke off goes on, or begins again where that means nothing.
	for seen, missed := range map[int64]int{began: 3, began + 1: 2, began + 2: 1} {
		again := looker.listen(events, "Last-Event-ID", strconv.FormatInt(seen, 10))
		for i, status := range []string{"held", "sold", "available"}[3-missed:] {
			again.seat(seen+int64(i)+1, 17, status)
		}
		again.hangUp()
	}
	for _, seen := range []string{"", "x", "-1", "1e3", strconv.FormatInt(began+4, 10), "99999999999999999999"} {
		again := looker.listen(events, "Last-Event-ID", seen)
		require.Equal(t, began+3, again.whole().Version, "after %q", seen)
		again.hangUp()
	}
	current := looker.listen(events, "Last-Event-ID", strconv.FormatInt(began+3, 10))
	hold = looker.hold(s, 3)
	current.seat(began+4, 3, "held")
	looking.seat(began+4, 3, "held")
	admin.seat(began+4, 3, "held")

	looker.leave(s) // which gives the seat back
	current.over()
	looking.over()
	admin.seat(began+5, 3, "available")
	require.Equal(t, "released", looker.reservation(hold.ReservationID).Status)
}

// TestStreamsAreBounded opens as many streams as a node may have: a further one is refused,
// while other calls still find a connection.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	h := openHouse(t, "BOXOFFICE_MAX_STREAMS=20", "BOXOFFICE_MAX_CONNECTIONS=5")
	s := h.stage(t, nil)
	admin := h.organiser(t)
	events := s.path() + "/seats/events"
	var open []*listener
	for range 4 { // every fifth connection is left to others
		l := admin.listen(events)
		l.whole()
		open = append(open, l)
	}
	admin.refused(http.StatusServiceUnavailable, "unavailable", "GET", events, nil)
	admin.get("/concerts")
	require.Contains(t, h.fetch(h.url+"/metrics"), "\nboxoffice_http_streams 4\n")
	require.Contains(t, h.fetch(h.url+"/metrics"), "\nboxoffice_http_connections 5\n")
	open[0].hangUp()
	require.Eventually(t, func() bool {
		return strings.Contains(h.fetch(h.url+"/metrics"), "\nboxoffice_http_streams 3\n")
	}, soon, pollEvery)
	admin.listen(events).whole()
}
