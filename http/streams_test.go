package http

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

const (
	placeEvents = placeTarget + "/events"
	seatEvents  = seatsTarget + "/events"
)

// feed is a waiting room or a seat map that a test changes, and whose followers are told.
type feed[T any] struct {
	mu      sync.Mutex
	value   T
	err     error
	changed chan struct{}
	asked   int
}

func newFeed[T any](value T) *feed[T] { return &feed[T]{value: value, changed: make(chan struct{})} }

func (f *feed[T]) get() (T, <-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.value, f.changed, f.err
}

func (f *feed[T]) set(change func(*T) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = change(&f.value)
	close(f.changed)
	f.changed = make(chan struct{})
}

// event is what a client reads of a stream.
type event struct {
	name, id, data string
	at             time.Time
}

// reader is a client of one stream.
type reader struct {
	t        testing.TB
	conn     net.Conn
	response *http.Response
	lines    *bufio.Reader
	comments []string
	retry    string
}

// follow opens a stream through a real server.
func (f *fixture) follow(listener *pipes, target string, options ...option) *reader {
	f.t.Helper()
	conn := listener.dial()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
	require.NoError(f.t, err)
	r.Host = "x"
	for _, change := range options {
		change(r)
	}
	go func() { _ = r.Write(conn) }()
	response, err := http.ReadResponse(bufio.NewReader(conn), r)
	require.NoError(f.t, err)
	return &reader{t: f.t, conn: conn, response: response, lines: bufio.NewReader(response.Body)}
}

// next reads the next event; nil: the stream has ended.
func (r *reader) next() *event {
	r.t.Helper()
	var e event
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			require.ErrorIs(r.t, err, io.EOF)
			return nil
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "retry":
			r.retry = value
		case "":
			if line != "\n" {
				r.comments = append(r.comments, value)
			} else if e.name != "" {
				e.at = time.Now()
				return &e
			}
		}
	}
}

func (r *reader) place() (placeJSON, time.Time) {
	r.t.Helper()
	e := r.next()
	require.NotNil(r.t, e, "the stream has ended")
	require.Equal(r.t, "place", e.name)
	require.Empty(r.t, e.id)
	var place placeJSON
	require.NoError(r.t, json.Unmarshal([]byte(e.data), &place))
	return place, e.at
}

// streaming runs a server over a fixture in a bubble of fake time.
func streaming(t *testing.T, use func(f *fixture, listener *pipes), configure ...func(*Config)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup(t, configure...)
		server := NewServer(f.handler, 100, slog.New(slog.DiscardHandler))
		listener := newPipes()
		done := make(chan error, 1)
		go func() { done <- server.Serve(listener) }()
		use(f, listener)
		f.api.streams.drain()
		require.NoError(t, server.Shutdown(t.Context()))
		require.NoError(t, <-done)
		require.Zero(t, f.api.streams.open.Load())
	})
}

func (f *fixture) placeFeed(place boxoffice.Place) *feed[boxoffice.Place] {
	room := newFeed(place)
	f.followPlace = func(id int64, ref boxoffice.PlaceRef) (boxoffice.Place, <-chan struct{}, error) {
		require.Equal(f.t, int64(knownSchedule), id)
		require.Equal(f.t, waitingClaims().ref(), ref)
		return room.get()
	}
	return room
}

func TestPlaceIsToldUntilItIsAdmitted(t *testing.T) { //nolint:paralleltest // streaming does
	streaming(t, func(f *fixture, listener *pipes) {
		room := f.placeFeed(waitingPlace())
		begin := time.Now()
		r := f.follow(listener, placeEvents, f.queue(waitingClaims()), with("Authorization", "Bearer nonsense"))
		require.Equal(t, 200, r.response.StatusCode)
		for name, value := range map[string]string{"Content-Type": eventsType, "Cache-Control": "private, no-store", "X-Accel-Buffering": "no"} {
			require.Equal(t, value, r.response.Header.Get(name))
		}
		require.NotEmpty(t, r.response.Header.Get(requestIDHeader))
		first, at := r.place()
		require.Equal(t, begin, at, "at once")
		require.Equal(t, 128, first.Position)
		require.Regexp(t, `^[12]\d{3}$`, r.retry)

		// However often it changes, a second lies between two events.
		last := at
		go func() {
			for position := 127; position > 90; position-- {
				room.set(func(p *boxoffice.Place) error { p.Position = position; return nil })
				later(100 * time.Millisecond)
			}
			room.set(func(p *boxoffice.Place) error { *p = admittedPlace(); return nil })
		}()
		position, events := 128, 0
		for {
			place, at := r.place()
			require.GreaterOrEqual(t, at.Sub(last), time.Second)
			require.LessOrEqual(t, at.Sub(last), 1200*time.Millisecond)
			last = at
			if events++; place.Status == boxoffice.PlaceAdmitted {
				claims, ok := f.keys.verifyQueue(place.Token)
				require.True(t, ok)
				require.Equal(t, admittedClaims(), claims)
				break
			}
			require.Less(t, place.Position, position)
			position = place.Position
		}
		require.Equal(t, 4, events)
		require.Nil(t, r.next(), "the last event")
		require.NoError(t, r.conn.Close())
	})
}

func TestQuietPlaceGetsHeartbeatsAndIsToldAtOnce(t *testing.T) { //nolint:paralleltest // streaming does
	streaming(t, func(f *fixture, listener *pipes) {
		room := f.placeFeed(waitingPlace())
		r := f.follow(listener, placeEvents, f.queue(waitingClaims()))
		_, _ = r.place()
		go func() {
			later(61 * time.Second)
			room.set(func(*boxoffice.Place) error { return boxoffice.Unavailable(nil) })
			later(5 * time.Second) // which is no reason to end the stream
			room.set(func(p *boxoffice.Place) error { p.Position = 1; return nil })
		}()
		begin := time.Now()
		place, at := r.place()
		require.Equal(t, 1, place.Position)
		require.InDelta(t, 66*time.Second, at.Sub(begin), float64(1100*time.Millisecond))
		require.Len(t, r.comments, 4, "every 15 s")
		// Nobody can answer for long: its client looks for a node that can.
		room.set(func(*boxoffice.Place) error { return boxoffice.Unavailable(nil) })
		require.Nil(t, r.next())
		require.LessOrEqual(t, time.Since(at), 12*time.Second)
		require.Equal(t, whyNoAnswers, r.comments[4])
		require.NoError(t, r.conn.Close())
	})
}

func TestPlaceThatEndsIsToldAsExpired(t *testing.T) { //nolint:paralleltest // streaming does
	streaming(t, func(f *fixture, listener *pipes) {
		room := f.placeFeed(waitingPlace())
		token := f.keys.signQueue(waitingClaims())
		r := f.follow(listener, placeEvents, with(queueTokenHeader, token))
		_, _ = r.place()
		room.set(func(*boxoffice.Place) error { return expired("left") })
		place, _ := r.place()
		require.Equal(t, boxoffice.PlaceExpired, place.Status)
		require.Equal(t, token, place.Token)
		require.Zero(t, place.Position)
		require.Zero(t, place.ExpiresInSeconds)
		require.False(t, time.Time(place.ExpiresAt).After(f.now()), "it was left")
		require.Nil(t, place.ETASeconds)
		require.Nil(t, r.next())
		require.NoError(t, r.conn.Close())
		f.do("GET", placeEvents, "", f.queue(waitingClaims())).refused(410, boxoffice.CodeQueueTokenExpired)

		// Sales close: nobody tells the room's followers, the time does.
		room.set(func(p *boxoffice.Place) error { p.ExpiresAt = f.now().Add(5 * time.Second); return nil })
		r = f.follow(listener, placeEvents, with(queueTokenHeader, token))
		_, begin := r.place()
		room.mu.Lock()
		room.err = expired("sales have closed")
		room.mu.Unlock()
		place, at := r.place()
		require.Equal(t, boxoffice.PlaceExpired, place.Status)
		require.LessOrEqual(t, at.Sub(begin), 7*time.Second)
		require.Nil(t, r.next())
		require.NoError(t, r.conn.Close())
	})
}

// theatre answers FollowSeats as a replica does that keeps the last changes.
type theatre struct {
	seats   boxoffice.SeatMap
	changes []boxoffice.SeatChange
}

func (h *theatre) change(number int, status boxoffice.SeatStatus) {
	h.seats.Version++
	h.seats.Statuses[number-1] = status
	h.changes = append(h.changes, boxoffice.SeatChange{Version: h.seats.Version, SeatNumber: number, Status: status})
}

func (f *fixture) seatFeed() *feed[theatre] {
	house := newFeed(theatre{seats: *seatMap()})
	f.followSeats = func(_ int64, _ *boxoffice.Admission, since int64) (boxoffice.SeatNews, error) {
		h, changed, err := house.get()
		news := boxoffice.SeatNews{Map: &h.seats, Changed: changed, Complete: since >= 12 && since <= h.seats.Version}
		for _, change := range h.changes {
			if change.Version > since {
				news.Changes = append(news.Changes, change)
			}
		}
		return news, err
	}
	return house
}

func TestSeatsAreToldAsTheyChange(t *testing.T) { //nolint:paralleltest // streaming does
	streaming(t, func(f *fixture, listener *pipes) {
		house := f.seatFeed()
		guarded := []option{f.as(userID), f.queue(admittedClaims())}
		r := f.follow(listener, seatEvents, guarded...)
		whole := r.next()
		require.Equal(t, "seats", whole.name)
		require.Equal(t, "12", whole.id)
		require.JSONEq(t, seatMapText(), whole.data)
		later(heartbeat - time.Second)
		begin := time.Now()
		house.set(func(h *theatre) error {
			h.change(3, boxoffice.SeatHeld)
			h.change(17, boxoffice.SeatAvailable)
			return nil
		})
		held, freed := r.next(), r.next()
		require.Equal(t, begin, held.at)
		require.Equal(t, event{"seat", "13", `{"version":13,"seatNumber":3,"status":"held"}`, begin}, *held)
		require.Equal(t, event{"seat", "14", `{"version":14,"seatNumber":17,"status":"available"}`, begin}, *freed)

		// Somebody whose stream broke off is told what they missed, or everything.
		for seen, want := range map[string][]string{
			"13": {"14"}, "12": {"13", "14"}, "11": {"14"}, "15": {"14"}, "x": {"14"}, "-1": {"14"}, "": {"14"}, "14.0": {"14"},
		} {
			again := f.follow(listener, seatEvents, append(guarded, with("Last-Event-ID", seen))...)
			for i, id := range want {
				e := again.next()
				require.Equal(t, id, e.id, "after %q", seen)
				require.Equal(t, seen == "12" || seen == "13", e.name == "seat", "after %q, event %d", seen, i)
			}
			require.NoError(t, again.conn.Close())
		}
		current := f.follow(listener, seatEvents, append(guarded, with("Last-Event-ID", "14"))...)
		begin = time.Now()
		house.set(func(h *theatre) error { h.change(4, boxoffice.SeatSold); return nil })
		require.Equal(t, "15", current.next().id)
		require.LessOrEqual(t, time.Since(begin), seatSpacing)

		// The admission ends, which no seat tells: the stream does within a second.
		house.mu.Lock()
		house.err = expired("used up")
		house.mu.Unlock()
		begin = time.Now()
		require.Nil(t, current.next())
		require.LessOrEqual(t, time.Since(begin), time.Second)
		require.Equal(t, []string{whyNotInside}, current.comments)
		require.NoError(t, current.conn.Close())
		require.NoError(t, r.conn.Close())
		f.do("GET", seatEvents, "", guarded...).refused(403, boxoffice.CodeQueueTokenExpired)
		f.do("GET", seatEvents, "", f.as(userID)).refused(401, boxoffice.CodeQueueTokenRequired)
	})
}

func TestStreamsEndWhenTheNodeStops(t *testing.T) { //nolint:paralleltest // streaming does
	streaming(t, func(f *fixture, listener *pipes) {
		f.placeFeed(waitingPlace())
		f.seatFeed()
		places := f.follow(listener, placeEvents, f.queue(waitingClaims()))
		seats := f.follow(listener, seatEvents, f.admin())
		_, begin := places.place()
		_ = seats.next()
		f.api.streams.drain()
		f.api.streams.drain()
		require.Nil(t, places.next())
		require.Nil(t, seats.next())
		require.Equal(t, begin, time.Now())
		require.Equal(t, []string{whyStopping}, places.comments)
		a := f.do("GET", seatEvents, "", f.admin())
		a.refused(503, boxoffice.CodeUnavailable)
		require.Equal(t, "1", a.Header().Get("Retry-After"))
		require.NoError(t, places.conn.Close())
		require.NoError(t, seats.conn.Close())
	})
}

func TestStreamsAreBounded(t *testing.T) { //nolint:paralleltest // streaming does
	streaming(t, func(f *fixture, listener *pipes) {
		f.seatFeed()
		first, second := f.follow(listener, seatEvents, f.admin()), f.follow(listener, seatEvents, f.admin())
		_, _ = first.next(), second.next()
		require.Equal(t, 2, (&API{streams: f.api.streams}).OpenStreams())
		f.do("GET", seatEvents, "", f.admin()).refused(503, boxoffice.CodeUnavailable)
		require.Equal(t, 200, f.do("GET", "/livez", "").Code)
		require.NoError(t, first.conn.Close())
		synctest.Wait() // for the server to notice
		third := f.follow(listener, seatEvents, f.admin())
		require.Equal(t, "seats", third.next().name)
		// A HEAD takes no slot for longer than it takes.
		require.NoError(t, third.conn.Close())
		synctest.Wait()
		for range 3 {
			a := f.do("HEAD", seatEvents, "", f.admin())
			require.Equal(t, 200, a.Code)
			require.Equal(t, eventsType, a.Header().Get("Content-Type"))
			require.Empty(t, a.Body.String())
		}
		require.NoError(t, second.conn.Close())
	}, func(config *Config) { config.MaxStreams = 2 })
}

// A stream outlives the limits of a request; a reader who does not read does not outlive
// those of a stream, and sees that something is missing. Others do not wait for them.
func TestSlowReadersOfStreamsAreDropped(t *testing.T) { //nolint:paralleltest // streaming does
	took := make(chan time.Duration, 2)
	streaming(t, func(f *fixture, listener *pipes) {
		house := f.seatFeed()
		quick, slow := f.follow(listener, seatEvents, f.admin()), f.follow(listener, seatEvents, f.admin())
		_, _ = quick.next(), slow.next()
		house.set(func(h *theatre) error { h.change(1, boxoffice.SeatAvailable); return nil })
		begin := time.Now()
		require.Equal(t, "13", quick.next().id)
		require.LessOrEqual(t, time.Since(begin), seatSpacing)
		told := make(chan *event)
		go func() { told <- quick.next() }()
		later(streamWriteTimeout + time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, f.api.streams.open.Load())
		_, err := slow.lines.ReadString('\n')
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		later(10 * time.Minute)
		house.set(func(h *theatre) error { h.change(2, boxoffice.SeatHeld); return nil })
		require.Equal(t, "14", (<-told).id)
		require.Len(t, quick.comments, 40)
		require.NoError(t, slow.conn.Close())
		require.NoError(t, quick.conn.Close())
		// How long they were read is not how long they took to be answered.
		require.Zero(t, <-took)
		require.Zero(t, <-took)
	}, func(config *Config) {
		config.Observe = func(_, _ string, _ int, duration time.Duration) { took <- duration }
	})
}
