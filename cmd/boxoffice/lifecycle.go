package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// errTooSlow means that parts were still stopping when the time to stop was over.
var errTooSlow = errors.New("it takes too long")

// lifecycle stops what was started, in reverse order. Whoever starts a part registers at
// once how to stop it, so that a start that fails half-way leaves nothing behind.
type lifecycle struct{ parts []part }

type part struct {
	name string
	stop func(context.Context) error
}

// started notes a part that is stopped after all those that are noted later.
func (l *lifecycle) started(name string, stop func(context.Context) error) {
	l.parts = append(l.parts, part{name: name, stop: stop})
}

// closes notes a part that is stopped by a function which does not fail.
func (l *lifecycle) closes(name string, stop func()) {
	l.started(name, func(context.Context) error { stop(); return nil })
}

// goes runs work on a goroutine until its context ends, which is how it is stopped.
func (l *lifecycle) goes(name string, work func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { work(ctx) })
	l.closes(name, func() {
		cancel()
		running.Wait()
	})
}

// every does work once each period, until that is stopped.
func (l *lifecycle) every(name string, period time.Duration, work func(context.Context)) {
	l.goes(name, func(ctx context.Context) {
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				work(ctx)
			}
		}
	})
}

// stop stops all parts, even if some fail to stop. It returns when ctx ends even if a part
// is still stopping, because the process is about to end then.
func (l *lifecycle) stop(ctx context.Context) error {
	done := make(chan error, 1)
	current := make(chan string, len(l.parts))
	go func() { // which nobody waits for any more once ctx has ended
		var errs []error
		for _, p := range slices.Backward(l.parts) {
			current <- p.name
			if err := p.stop(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", p.name, err))
			}
		}
		done <- errors.Join(errs...)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	name := "everything"
	for len(current) > 0 {
		name = <-current
	}
	return fmt.Errorf("stop %s: %w", name, errTooSlow)
}
