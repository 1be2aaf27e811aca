package http

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// callUnder gives a call as net/http's context makes it.
func callUnder(ctx context.Context) *call {
	c := &call{lasting: &lasting{}}
	c.ctx.begin(ctx, c)
	return c
}

func TestCallsEndInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := callUnder(t.Context())
		require.Same(t, c, callOf(context.WithValue(&c.ctx, t, 1)))
		require.Nil(t, c.ctx.bounded.Load(), "no timer before somebody waits")
		child, cancel := context.WithTimeout(&c.ctx, time.Hour)
		defer cancel()
		deadline, ok := child.Deadline()
		require.True(t, ok)
		require.Equal(t, time.Now().Add(requestTimeout), deadline)
		begin := time.Now()
		<-child.Done()
		require.Equal(t, requestTimeout, time.Since(begin))
		require.ErrorIs(t, c.ctx.Err(), context.DeadlineExceeded)
		c.ctx.end()
	})
}

func TestCallsEndWithTheirClientsAndTheirAnswers(t *testing.T) {
	t.Parallel()
	client, gone := context.WithCancel(t.Context())
	c := callUnder(client)
	child, cancel := context.WithCancel(&c.ctx)
	defer cancel()
	gone()
	<-child.Done()
	require.ErrorIs(t, c.ctx.Err(), context.Canceled)
	c.ctx.end()

	c = callUnder(t.Context())
	done := c.ctx.Done()
	c.ctx.end()
	<-done
	require.Error(t, c.ctx.Err())
	c = callUnder(t.Context())
	require.Equal(t, t.Context(), c.ctx.brief())
	require.Nil(t, c.ctx.bounded.Load(), "no timer for what ends by itself")
	done = c.ctx.Done()
	require.Equal(t, done, c.ctx.brief().Done(), "the timer that runs anyway")
	c.ctx.end()
	c = callUnder(t.Context())
	c.ctx.end() // of which nothing was asked
}
