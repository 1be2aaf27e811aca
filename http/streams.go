package http

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"boxoffice"
)

// Bounds of one stream of events.
const (
	// heartbeat is how long a stream may be silent, so that proxies see that it is alive,
	// and this end notices that nobody reads any more.
	heartbeat = 15 * time.Second
	// streamWriteTimeout is how long a write to a reader may block. Nothing is queued
	// meanwhile: a stream asks for what is new when it can write.
	streamWriteTimeout = 5 * time.Second
	// placeSpacing keeps the events of a place apart, seatSpacing those of seats: changes
	// in between are sent together. Events of a place also arrive a second apart, even if
	// one takes longer on its way than the next.
	placeSpacing = 1050 * time.Millisecond
	seatSpacing  = 100 * time.Millisecond
	// guardEvery is how often a stream of seats asks whether its reader may see them.
	guardEvery = 500 * time.Millisecond
	// A stream asks again while nobody can answer, and then ends: its client may find a
	// node that can.
	streamPatience  = 10
	streamTryAgain  = time.Second
	reconnectAfter  = time.Second     // at least, as sent to clients
	reconnectWithin = 3 * time.Second // and at most: not all at once
)

const defaultMaxStreams = 20_000

const eventsType = "text/event-stream"

// bufferingHeader tells proxies such as nginx to pass events on at once.
const bufferingHeader = "X-Accel-Buffering"

// streams are the open streams of a node.
type streams struct {
	max      int64
	open     atomic.Int64
	drained  chan struct{} // closed when they are to end
	draining sync.Once
}

func newStreams(limit int) *streams {
	return &streams{max: int64(limit), drained: make(chan struct{})}
}

func (s *streams) drain() { s.draining.Do(func() { close(s.drained) }) }

func (s *streams) isDrained() bool {
	select {
	case <-s.drained:
		return true
	default:
		return false
	}
}

// Reasons for a node to open no stream.
var (
	errStopping = errors.New("the node is stopping")
	errStreams  = errors.New("the node has as many streams as it may")
)

// Reasons for a stream to end before its client wants it to.
const (
	whyStopping  = "this node stops"
	whyNoAnswers = "this node gets no answers"
	whyNotInside = "the admission has ended"
)

// stream is one response of events. Only its own client waits for it: it has no queue, and
// asks for what is new when it can write.
type stream struct {
	api     *api
	req     *request
	writer  http.ResponseWriter
	control *http.ResponseController
	timer   *time.Timer
	written time.Time // the last time
	events  []byte    // to be written next
}

// openStream answers with the header of a stream, which the caller must close, or fails if
// there are too many. ok is false if the client wants only the header.
func (a *api) openStream(w http.ResponseWriter, req *request) (s *stream, ok bool, err error) {
	if a.streams.isDrained() {
		return nil, false, boxoffice.Unavailable(errStopping)
	}
	if a.streams.open.Add(1) > a.streams.max {
		a.streams.open.Add(-1)
		return nil, false, boxoffice.Unavailable(errStreams)
	}
	w.Header().Set("Content-Type", eventsType)
	w.Header().Set(bufferingHeader, "no")
	s = &stream{api: a, req: req, writer: w, control: http.NewResponseController(w), timer: time.NewTimer(heartbeat)}
	// The deadlines of a request are not a stream's: a read that is cut off would look as
	// if its client were gone. A connection without deadlines has nothing to set.
	_ = s.control.SetReadDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
	req.opened = a.Stopwatch()
	if req.method == http.MethodHead {
		s.close()
		return nil, false, nil
	}
	retry := reconnectAfter + rand.N(reconnectWithin-reconnectAfter)
	s.events = fmt.Appendf(nil, "retry: %d\n\n", retry.Milliseconds())
	return s, true, nil
}

func (s *stream) close() {
	s.timer.Stop()
	// For the end of the body, which says that nothing is missing.
	_ = s.control.SetWriteDeadline(s.api.Stopwatch().Add(streamWriteTimeout))
	s.api.streams.open.Add(-1)
}

// event appends an event to what is written next: a name, an id unless it is below 0, and
// JSON.
func (s *stream) event(name string, id int64, data []byte) {
	s.events = fmt.Appendf(s.events, "event: %s\n", name)
	if id >= 0 {
		s.events = fmt.Appendf(s.events, "id: %d\n", id)
	}
	s.events = fmt.Appendf(s.events, "data: %s\n\n", data)
}

// flush writes the pending events. False: the reader is gone or too slow, and the
// connection is closed.
func (s *stream) flush() bool {
	if len(s.events) == 0 {
		return true
	}
	ok := s.send(s.events)
	s.events = s.events[:0]
	return ok
}

// send writes bytes, which may be shared with other streams.
func (s *stream) send(data []byte) bool {
	s.written = s.api.Stopwatch()
	_ = s.control.SetWriteDeadline(s.written.Add(streamWriteTimeout))
	if _, err := s.writer.Write(data); err != nil {
		return false
	}
	return s.control.Flush() == nil
}

// wait waits for changed (nil: for nothing), for most at a time, with heartbeats. False:
// the stream is over, because its client is gone or the node stops.
func (s *stream) wait(changed <-chan struct{}, most time.Duration) bool {
	if s.api.streams.isDrained() { // before changed, which may always be ready
		s.stop(whyStopping)
		return false
	}
	untilHeartbeat := heartbeat - s.api.Stopwatch().Sub(s.written)
	if untilHeartbeat <= 0 {
		return s.send([]byte(":\n\n"))
	}
	s.timer.Reset(min(most, untilHeartbeat))
	select {
	case <-changed:
	case <-s.timer.C:
	case <-s.req.client.Done():
		return false
	case <-s.api.streams.drained:
		s.stop(whyStopping)
		return false
	}
	return true
}

// stop writes why the stream ends, in a comment: for people who look at it. Programs
// connect again and learn the reason from the answer.
func (s *stream) stop(why string) { s.send([]byte(": " + why + "\n\n")) }

// pause keeps events apart: it waits until spacing after the last one.
func (s *stream) pause(spacing time.Duration) bool {
	for {
		left := spacing - s.api.Stopwatch().Sub(s.written)
		if left <= 0 {
			return true
		}
		if !s.wait(nil, left) {
			return false
		}
	}
}

// ask returns a context for one question of a stream.
func (s *stream) ask() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.req.client, requestTimeout)
}

// handleStream adds a call that answers with events.
func (a *api) handleStream(op operation, example string, answer step) {
	op.refusals = append(op.refusals, boxoffice.CodeUnavailable)
	op.headers = append(op.headers, "Cache-Control", bufferingHeader)
	a.handleRaw(op, map[string]*huma.MediaType{
		eventsType: {Schema: &huma.Schema{Type: huma.TypeString}, Example: example},
	}, answer)
}
