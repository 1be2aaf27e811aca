package edge

import (
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"boxoffice/actors/messages"
)

// feedSubject begins the subject of every member's feed; its id follows.
const feedSubject = "feed"

// source is a member whose feed this node receives. Its messages arrive on one goroutine.
type source struct {
	counter uint64        // of the last message that has arrived
	since   atomic.Uint64 // the first of those that have arrived without a gap since
	at      atomic.Int64  // when they were complete, in Unix milliseconds
}

// completeAt returns as of when everything sent after a message has arrived, and reports
// whether none of it is missing.
func (s *source) completeAt(counter uint64) (at time.Time, unbroken bool) {
	// The time is read first: a gap is recorded before a newer time.
	ms := s.at.Load()
	return time.UnixMilli(ms), s.since.Load() <= counter+1
}

// sources are the members whose feeds this node has received, or that a mark has named.
type sources struct {
	mu    sync.Mutex
	known map[string]*source
}

func (s *sources) get(member string) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.known[member]
	if known == nil {
		known = new(source)
		s.known[member] = known
	}
	return known
}

// forgetAfter is how long a silent member is remembered. A replica that still refers to it
// has had to ask again long before.
const forgetAfter = 5 * time.Minute

func (s *sources) forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for member, known := range s.known {
		if now.Sub(time.UnixMilli(known.at.Load())) > forgetAfter {
			delete(s.known, member)
		}
	}
}

// hear takes in a message of a feed. It applies the changes before it marks anything
// complete.
func (e *Edge) hear(data []byte) {
	feed := new(messages.Feed)
	if err := proto.Unmarshal(data, feed); err != nil {
		e.cfg.Logger.Error("feed that cannot be read", "error", err)
		return
	}
	s := e.sources.get(feed.GetMemberId())
	counter := feed.GetCounter()
	if counter <= s.counter {
		return // a duplicate, or too late: it already counts as lost
	}
	if counter != s.counter+1 {
		s.since.Store(counter)
		if s.counter != 0 && e.cfg.Observer.Gap != nil {
			e.cfg.Observer.Gap()
		}
	}
	s.counter = counter
	for _, change := range feed.GetChanges() {
		if shelf := e.of(change.GetKind()); shelf != nil {
			if r := shelf.get(change.GetId()); r != nil {
				r.take(change)
			}
		}
	}
	s.at.Store(max(s.at.Load(), feed.GetAt()))
	if e.cfg.Observer.Heard != nil {
		e.cfg.Observer.Heard(len(feed.GetChanges()))
	}
}
