package persistence

import (
	"context"
	"sync"

	"github.com/google/uuid"
)

// turns lets those who want the row of one account wait in memory, one after the other,
// rather than each with a connection of the pool: however many charges somebody sends at
// once, they take one connection of this node.
type turns struct {
	mu    sync.Mutex
	lines map[uuid.UUID]*turnLine
}

// turnLine is who wants the row of one account.
type turnLine struct {
	turn   chan struct{} // has room for whoever's turn it is
	people int           // who has it or waits for it
}

func newTurns() *turns { return &turns{lines: map[uuid.UUID]*turnLine{}} }

// take waits for the turn at an account, or until ctx ends. Done gives it on.
func (t *turns) take(ctx context.Context, account uuid.UUID) (done func(), err error) {
	t.mu.Lock()
	line := t.lines[account]
	if line == nil {
		line = &turnLine{turn: make(chan struct{}, 1)}
		t.lines[account] = line
	}
	line.people++
	t.mu.Unlock()
	select {
	case line.turn <- struct{}{}:
		return func() {
			<-line.turn
			t.leave(account, line)
		}, nil
	case <-ctx.Done():
		t.leave(account, line)
		return nil, context.Cause(ctx)
	}
}

func (t *turns) leave(account uuid.UUID, line *turnLine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if line.people--; line.people == 0 {
		delete(t.lines, account)
	}
}
