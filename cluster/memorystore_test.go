package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// memoryStore is a bucket in memory, shared by the links of several members.
type memoryStore struct {
	mu       sync.Mutex
	number   int // of this incarnation
	revision uint64
	values   map[string]memoryValue
	watches  map[*memoryWatch]bool
	writes   int
}

type memoryValue struct {
	data     []byte
	revision uint64
}

type memoryWatch struct{ changes chan change }

func newMemoryStore() *memoryStore {
	return &memoryStore{number: 1, values: map[string]memoryValue{}, watches: map[*memoryWatch]bool{}}
}

// wipe loses everything: the next to open it finds an empty bucket, and old watches
// fall silent.
func (s *memoryStore) wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	s.revision = 0
	s.values = map[string]memoryValue{}
	s.watches = map[*memoryWatch]bool{}
}

// empty loses everything, as wipe does, but the bucket is the same: so it is in the memory of
// several NATS servers that all start again.
func (s *memoryStore) empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision = 0
	s.values = map[string]memoryValue{}
	s.watches = map[*memoryWatch]bool{}
}

// state returns the state in a member's record, or "".
func (s *memoryStore) state(id string) state {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, found := s.values[id]
	if !found {
		return ""
	}
	rec, err := decodeRecord(value.data)
	if err != nil {
		panic(err)
	}
	return rec.State
}

func (s *memoryStore) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// link is a member's way to the store. It can be cut: then nothing passes, and what is
// under way waits.
type link struct {
	store *memoryStore

	mu       sync.Mutex
	cut      chan struct{} // closed when the link is whole again; nil: it is
	blind    chan struct{} // the same for what the watch tells
	loseAcks int           // so many writes are done, but their answers get lost
	swallow  int           // so many writes get lost, and nobody says so
}

func (l *link) set(c *chan struct{}, broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if broken && *c == nil {
		*c = make(chan struct{})
	}
	if !broken && *c != nil {
		close(*c)
		*c = nil
	}
}

// pass waits until the link is whole.
func (l *link) pass(ctx context.Context, c *chan struct{}) error {
	for {
		l.mu.Lock()
		wait := *c
		l.mu.Unlock()
		if wait == nil {
			return ctx.Err()
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *link) open(ctx context.Context) (string, time.Duration, error) {
	if err := l.pass(ctx, &l.cut); err != nil {
		return "", 0, err
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return fmt.Sprint(l.store.number), 0, nil
}

func (l *link) write(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := l.pass(ctx, &l.cut); err != nil {
		return 0, err
	}
	l.mu.Lock()
	lost := l.swallow > 0
	l.swallow = max(0, l.swallow-1)
	l.mu.Unlock()
	if lost {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values[key].revision != revision {
		return 0, errConflict
	}
	s.revision++
	s.writes++
	s.values[key] = memoryValue{value, s.revision}
	for w := range s.watches {
		w.changes <- change{value: value, revision: s.revision}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loseAcks > 0 {
		l.loseAcks--
		return 0, errors.New("the answer got lost")
	}
	return s.revision, nil
}

func (l *link) read(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := l.pass(ctx, &l.cut); err != nil {
		return nil, 0, err
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	value, found := l.store.values[key]
	if !found {
		return nil, 0, errMissing
	}
	return value.data, value.revision, nil
}

func (l *link) watch(ctx context.Context, each func(change)) error {
	if err := l.pass(ctx, &l.cut); err != nil {
		return err
	}
	const room = 10_000 // more than any test writes
	w := &memoryWatch{changes: make(chan change, room)}
	s := l.store
	s.mu.Lock()
	for _, value := range s.values {
		w.changes <- change{value: value.data, revision: value.revision}
	}
	w.changes <- change{complete: true}
	s.watches[w] = true
	s.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-w.changes:
			if err := errors.Join(l.pass(ctx, &l.cut), l.pass(ctx, &l.blind)); err != nil {
				return err
			}
			each(c)
		}
	}
}
