package cluster

import (
	"sync"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"
)

// A queue returns what was put in, in that order, and an empty one keeps little memory.
func TestMailQueue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var queue mailQueue
		next, first := 0, 0
		for range rapid.IntRange(1, 50).Draw(t, "turns") {
			for range rapid.IntRange(0, 20).Draw(t, "come") {
				queue.push(next)
				next++
			}
			for range min(next-first, rapid.IntRange(0, 20).Draw(t, "go")) {
				require.Equal(t, first, queue.pop())
				first++
			}
			require.Equal(t, next-first, queue.length())
			if queue.length() == 0 {
				require.LessOrEqual(t, cap(queue.messages), maxSpareMails)
			}
		}
	})
}

// However many send at a time, everything arrives once, and what one sends in its order.
func TestMailboxHandsEverythingOverInOrder(t *testing.T) {
	t.Parallel()
	const senders, each = 8, 2000
	last := make([]int64, senders)
	done := make(chan struct{})
	left := senders * each
	s := setupStage(t, func(ctx actor.Context) {
		m, ok := ctx.Message().(*wrapperspb.Int64Value)
		if !ok {
			return
		}
		sender, n := m.GetValue()/each, m.GetValue()%each
		if last[sender] != n {
			t.Errorf("sender %d: %d instead of %d", sender, n, last[sender])
		}
		last[sender] = n + 1
		if left--; left == 0 {
			close(done)
		}
	})
	pid, err := s.activate(key{id: 1})
	require.NoError(t, err)
	var sending sync.WaitGroup
	for sender := range int64(senders) {
		sending.Go(func() {
			for n := range int64(each) {
				s.system.Root.Send(pid, wrapperspb.Int64(sender*each+n))
			}
		})
	}
	sending.Wait()
	<-done
}
