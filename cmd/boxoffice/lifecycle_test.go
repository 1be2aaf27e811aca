package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLifecycleStopsEverythingInReverse(t *testing.T) {
	t.Parallel()
	var l lifecycle
	var stopped []string
	failure := errors.New("stuck")
	l.started("first", func(context.Context) error { stopped = append(stopped, "first"); return nil })
	l.started("second", func(context.Context) error { stopped = append(stopped, "second"); return failure })
	l.goes("third", func(ctx context.Context) { <-ctx.Done(); stopped = append(stopped, "third") })

	err := l.stop(t.Context())
	require.ErrorIs(t, err, failure)
	require.EqualError(t, err, "stop second: stuck")
	require.Equal(t, []string{"third", "second", "first"}, stopped)
}

func TestLifecycleDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var l lifecycle
		l.started("first", func(context.Context) error { return nil })
		l.started("second", func(context.Context) error { <-release; return nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.EqualError(t, l.stop(ctx), "stop second: it takes too long")
		close(release)
	})
}
