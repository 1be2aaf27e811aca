package cluster

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// eventually is how long a test waits for what should come at once.
const eventually = 10 * time.Second

// movedMessage is what test grains are told when they have moved.
type movedMessage struct{}

// stage is a placement with a system and a cluster, but no members or remote.
type stage struct {
	*placement
	told atomic.Int64 // grains that were told to move
}

// setup makes a stage for grains of kind "grain", which owns every id.
func setupStage(t *testing.T, receive actor.ReceiveFunc) *stage {
	t.Helper()
	system := actor.NewActorSystem(actor.WithLoggerFactory(silent))
	lease := newLease(time.Now)
	lease.extend(time.Now().Add(time.Hour))
	s := &stage{placement: newPlacement(system, lease, &movedMessage{}, time.Now, t.Context().Done())}
	require.NoError(t, s.register(map[string]*actor.Props{
		"grain": actor.PropsFromFunc(func(ctx actor.Context) {
			if _, moved := ctx.Message().(*movedMessage); moved {
				s.told.Add(1)
			}
			receive(ctx)
		}),
	}))
	s.adopt(viewOf("self"))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), eventually)
		defer cancel()
		require.NoError(t, s.stop(ctx))
	})
	return s
}

// echo answers each number with itself.
func echo(ctx actor.Context) {
	if m, ok := ctx.Message().(*wrapperspb.Int64Value); ok {
		ctx.Respond(m)
	}
}

// ask sends a message and returns where its answer arrives.
func (s *stage) ask(to *actor.PID, message any) <-chan any {
	arrives := make(arrival, 1)
	from, _ := s.system.ProcessRegistry.Add(arrives, s.system.ProcessRegistry.NextId())
	s.system.Root.Send(to, &actor.MessageEnvelope{Message: message, Sender: from})
	return arrives
}

// answer returns what arrives next.
func answer[T any](t *testing.T, arrives <-chan T) (a T) {
	t.Helper()
	select {
	case a = <-arrives:
	case <-time.After(eventually):
		require.FailNow(t, "no answer")
	}
	return a
}

func TestGrainIsActivatedOnce(t *testing.T) {
	t.Parallel()
	var started atomic.Int64
	s := setupStage(t, func(ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Started); ok {
			started.Add(1)
			if !strings.HasPrefix(ctx.Self().GetId(), "grain/-42/") {
				t.Errorf("name %q", ctx.Self().GetId())
			}
		}
		echo(ctx)
	})
	var pids sync.Map
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			pid, err := s.activate(key{id: -42})
			if err != nil {
				t.Error(err)
				return
			}
			pids.Store(pid, true)
		})
	}
	callers.Wait()
	count := 0
	pids.Range(func(pid, _ any) bool {
		count++
		require.Equal(t, int64(7), answer(t, s.ask(pid.(*actor.PID), wrapperspb.Int64(7))).(*wrapperspb.Int64Value).GetValue())
		return true
	})
	require.Equal(t, 1, count)
	require.EqualValues(t, 1, started.Load())
	require.Equal(t, map[string]int{"grain": 1}, s.census())
}

func TestGrainIsOnlyActivatedWhereItMayBe(t *testing.T) {
	t.Parallel()
	s := setupStage(t, echo)
	refused := func(want error) {
		t.Helper()
		_, err := s.activate(key{id: 1})
		require.ErrorIs(t, err, want)
	}
	unsettled := viewOf("self")
	unsettled.settled = false
	s.adopt(unsettled)
	refused(errUnsettled)

	elsewhere := viewOf("other")
	elsewhere.self = "self"
	s.adopt(elsewhere)
	refused(errNotOwner)

	s.adopt(viewOf("self"))
	soon := time.Now().Add(time.Hour)
	s.notSoon.Store(&soon)
	refused(errUnsettled)
	past := time.Now().Add(-time.Second)
	s.notSoon.Store(&past)
	s.lease.end.Store(0)
	refused(errNoLease)

	s.lease.extend(time.Now().Add(time.Hour))
	_, err := s.activate(key{id: 1})
	require.NoError(t, err)
	s.lease.revoke()
	_, err = s.activate(key{id: 1})
	require.NoError(t, err, "what is active goes on")
	_, err = s.activate(key{id: 2})
	require.ErrorIs(t, err, errNoLease)

	require.NoError(t, s.stop(t.Context()))
	refused(errStopping)
}

// No message to a grain may vanish: it is answered, or comes back as a dead letter.
func TestNothingQueuedBehindAStopIsDropped(t *testing.T) {
	t.Parallel()
	const messages, grains = 200, 20
	s := setupStage(t, func(ctx actor.Context) {
		switch ctx.Message().(type) {
		case *emptypb.Empty:
			ctx.Stop(ctx.Self())
		case *wrapperspb.Int64Value:
			echo(ctx)
		}
	})
	var answered, dead int
	for id := range int64(grains) {
		pid, err := s.activate(key{id: id})
		require.NoError(t, err)
		arriving := make([]<-chan any, 0, messages)
		for i := range int64(messages) {
			if i == messages/2 {
				s.system.Root.Send(pid, &emptypb.Empty{})
			}
			arriving = append(arriving, s.ask(pid, wrapperspb.Int64(i)))
		}
		for _, arrives := range arriving {
			switch a := answer(t, arrives).(type) {
			case *wrapperspb.Int64Value:
				answered++
			case *actor.DeadLetterResponse:
				dead++
			default:
				require.Failf(t, "strange answer", "%T", a)
			}
		}
	}
	require.Equal(t, messages*grains, answered+dead)
	require.GreaterOrEqual(t, answered, messages/2*grains)
	require.Eventually(t, func() bool { return s.census()["grain"] == 0 }, eventually, time.Millisecond)
}

func TestMovedGrainIsToldAndHoldsTheLease(t *testing.T) {
	t.Parallel()
	s := setupStage(t, func(ctx actor.Context) {
		if _, ok := ctx.Message().(*emptypb.Empty); ok {
			ctx.Stop(ctx.Self())
		}
		echo(ctx)
	})
	both := viewOf("self", "other")
	var mine, theirs []*actor.PID
	for id := range int64(20) {
		pid, err := s.activate(key{id: id})
		require.NoError(t, err)
		if both.owned(id) {
			mine = append(mine, pid)
		} else {
			theirs = append(theirs, pid)
		}
	}
	require.NotEmpty(t, mine)
	require.NotEmpty(t, theirs)
	require.True(t, s.lease.Valid())

	s.adopt(both)
	require.False(t, s.lease.Valid(), "they might still answer from memory")
	require.True(t, s.lease.fresh())
	for _, pid := range theirs { // they still answer
		require.IsType(t, &wrapperspb.Int64Value{}, answer(t, s.ask(pid, wrapperspb.Int64(1))))
		s.system.Root.Send(pid, &emptypb.Empty{})
	}
	require.EqualValues(t, len(theirs), s.told.Load())
	require.Eventually(t, s.lease.Valid, eventually, time.Millisecond)
	for _, pid := range mine {
		require.IsType(t, &wrapperspb.Int64Value{}, answer(t, s.ask(pid, wrapperspb.Int64(1))))
	}
	require.Equal(t, len(mine), s.census()["grain"])
}

func TestDistrustedGrainsAreActivatedAnew(t *testing.T) {
	t.Parallel()
	s := setupStage(t, echo)
	old, err := s.activate(key{id: 1})
	require.NoError(t, err)
	s.distrust()
	require.False(t, s.lease.Valid())
	again, err := s.activate(key{id: 1})
	require.NoError(t, err)
	require.NotEqual(t, old.Id, again.Id)
	s.system.Root.Stop(old)
	require.Eventually(t, s.lease.Valid, eventually, time.Millisecond)
	require.IsType(t, &wrapperspb.Int64Value{}, answer(t, s.ask(again, wrapperspb.Int64(1))))
}

func TestMovedGrainsWithoutAnEarForItAreStopped(t *testing.T) {
	t.Parallel()
	s := setupStage(t, echo)
	s.moved = nil
	_, err := s.activate(key{id: 1})
	require.NoError(t, err)
	s.distrust()
	require.Eventually(t, func() bool { return s.census()["grain"] == 0 && s.lease.Valid() }, eventually, time.Millisecond)
}

func TestStopWaitsUntilGrainsHaveFlushed(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var flushed atomic.Int64
	s := setupStage(t, func(ctx actor.Context) {
		if _, ok := ctx.Message().(*actor.Stopping); ok {
			<-release
			flushed.Add(1)
		}
	})
	for id := range int64(10) {
		_, err := s.activate(key{id: id})
		require.NoError(t, err)
	}
	s.distrust() // those that linger are stopped too
	for id := range int64(10) {
		_, err := s.activate(key{id: id})
		require.NoError(t, err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, s.stop(short), "20 grains have not stopped")
	close(release)
	require.NoError(t, s.stop(t.Context()))
	require.EqualValues(t, 20, flushed.Load())
}

func TestPanickingGrainIsRestarted(t *testing.T) {
	t.Parallel()
	s := setupStage(t, func(ctx actor.Context) {
		if _, ok := ctx.Message().(*emptypb.Empty); ok {
			panic("as planned")
		}
		echo(ctx)
	})
	pid, err := s.activate(key{id: 1})
	require.NoError(t, err)
	s.system.Root.Send(pid, &emptypb.Empty{})
	require.IsType(t, &wrapperspb.Int64Value{}, answer(t, s.ask(pid, wrapperspb.Int64(1))))
	require.Equal(t, 1, s.census()["grain"])
}

// A supervisor stops a grain that panics too often. Nothing may vanish then either, nor may
// the grain's end be missed when it panics while it stops.
func TestNothingQueuedBehindTooManyPanicsIsDropped(t *testing.T) {
	t.Parallel()
	const panics = 11 // in 10 s, one more than protoactor's supervisor lets pass
	for name, stopped := range map[string]func(){"": func() {}, "again": func() { panic("as planned, at the end") }} {
		release := make(chan struct{})
		s := setupStage(t, func(ctx actor.Context) {
			switch ctx.Message().(type) {
			case *wrapperspb.BoolValue:
				<-release
			case *emptypb.Empty:
				panic("as planned")
			case *actor.Stopped:
				stopped()
			}
			echo(ctx)
		})
		pid, err := s.activate(key{id: 1})
		require.NoError(t, err, name)
		s.system.Root.Send(pid, wrapperspb.Bool(true))
		for range panics {
			s.system.Root.Send(pid, &emptypb.Empty{})
		}
		behind := []<-chan any{s.ask(pid, wrapperspb.Int64(1)), s.ask(pid, wrapperspb.Int64(2))}
		close(release)
		for _, arrives := range append(behind, s.ask(pid, wrapperspb.Int64(3))) {
			require.IsType(t, &actor.DeadLetterResponse{}, answer(t, arrives), name)
		}
		require.Eventually(t, func() bool { return s.census()["grain"] == 0 }, eventually, time.Millisecond)
		again, err := s.activate(key{id: 1})
		require.NoError(t, err, name)
		require.IsType(t, &wrapperspb.Int64Value{}, answer(t, s.ask(again, wrapperspb.Int64(1))), name)
	}
}

func TestKindsMustHaveNames(t *testing.T) {
	t.Parallel()
	system := actor.NewActorSystem(actor.WithLoggerFactory(silent))
	for _, name := range []string{"", "a/b"} {
		p := newPlacement(system, newLease(time.Now), nil, time.Now, t.Context().Done())
		require.Error(t, p.register(map[string]*actor.Props{name: actor.PropsFromFunc(echo)}))
	}
}
