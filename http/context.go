package http

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
)

// requestTimeout is how long a request may be under way behind the interfaces before
// it is told unavailable. It leaves time to write that before [writeTimeout].
const requestTimeout = 8 * time.Second

// callContext is the context of a call: net/http's, with [requestTimeout]. The timer starts
// when somebody first asks what only it can tell, which those who answer from memory never
// do. A stream has one for each of its questions.
type callContext struct {
	context.Context // net/http's: over when the client is gone

	call    *call
	routing *chi.Context // nil where chi is not asked

	start   sync.Once
	bounded atomic.Pointer[boundedContext]
}

type boundedContext struct {
	context.Context

	cancel context.CancelFunc
}

type callKey struct{}

// callOf gives the call that a context belongs to. There is always one: the outermost
// handler makes it.
func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// begin makes it the context of a call.
func (c *callContext) begin(client context.Context, of *call) { c.Context, c.call = client, of }

// limit starts the timer, once.
func (c *callContext) limit() context.Context {
	c.start.Do(func() {
		ctx, cancel := context.WithTimeout(c.Context, requestTimeout)
		c.bounded.Store(&boundedContext{Context: ctx, cancel: cancel})
	})
	return c.bounded.Load()
}

// brief is for what ends well within [requestTimeout] by itself. No timer is started for it;
// one that runs already, for what came before, ends it as well.
func (c *callContext) brief() context.Context {
	if bounded := c.bounded.Load(); bounded != nil {
		return bounded
	}
	return c.Context
}

// end stops the timer.
func (c *callContext) end() {
	if bounded := c.bounded.Load(); bounded != nil {
		bounded.cancel()
	}
}

func (c *callContext) Deadline() (time.Time, bool) { return c.limit().Deadline() }
func (c *callContext) Done() <-chan struct{}       { return c.limit().Done() }
func (c *callContext) Err() error                  { return c.limit().Err() }

// Value also answers chi, which would otherwise copy the request once more to carry what
// it found. What package context asks of its own contexts it gets from the one with the
// timer, so that contexts below cost no goroutine.
func (c *callContext) Value(key any) any {
	switch key {
	case callKey{}:
		return c.call
	case chi.RouteCtxKey:
		if c.routing != nil {
			return c.routing
		}
	}
	if bounded := c.bounded.Load(); bounded != nil {
		return bounded.Value(key)
	}
	return c.Context.Value(key)
}
