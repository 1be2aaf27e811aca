package edge

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
)

func holdSeat(seat int) seatmap.Hold { return hold(seat, seat, now()) }

func TestTheOwnersNodeShowsWhatItHasAcknowledged(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, w *world) {
		a := w.nodes[0]
		a.sees(0)
		require.Equal(t, 1, w.asked(a, "Watch"))
		for seat := 1; seat <= 50; seat++ {
			w.grain.do(holdSeat(seat))
			shown := a.sees(seat)
			require.Same(t, shown, a.sees(seat), "a map is made once")
		}
		pass(50 * time.Second)
		a.sees(50)
		require.Zero(t, w.asked(a, "Watch"), "it is told")
		require.Zero(t, w.asked(a, "ReadSeats"))
	})
}

func TestWithoutLeaseTheGrainIsAskedAtLeastEverySecond(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, w *world) {
		a := w.nodes[0]
		a.sees(0)
		a.lost.Store(true)
		for range 40 { // 4 s
			pass(100 * time.Millisecond)
			a.sees(0)
		}
		asked := w.asked(a, "Watch")
		require.GreaterOrEqual(t, asked, 4)
		require.Less(t, asked, 10, "but not for every question")
		a.lost.Store(false)
		a.sees(0)
		pass(20 * time.Second)
		a.sees(0)
		require.LessOrEqual(t, w.asked(a, "Watch"), 1)
	})
}

func TestAnotherNodeHearsWhatChanges(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		b := w.nodes[1]
		b.sees(0)
		for seat := 1; seat <= 50; seat++ {
			w.grain.do(holdSeat(seat))
			pass(2 * feedEvery)
			b.sees(seat)
		}
		require.Equal(t, 1, w.asked(b, "Watch"))
		for range 100 { // 200 s, less than the holds last
			pass(2 * time.Second)
			b.sees(50)
		}
		require.InDelta(t, 6, w.asked(b, "Watch"), 1, "it renews what is in use, every half minute")
		require.Zero(t, w.asked(b, "ReadSeats"))
	})
}

func TestAReplicaIsNeverOlderThanASecond(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		b := w.nodes[1]
		b.sees(0)
		w.loseFeeds(func(*node, *messages.Feed) bool { return true })
		for seat := 1; seat <= 5; seat++ {
			w.grain.do(holdSeat(seat))
			pass(time.Second)
			b.sees(seat)
		}
		w.tamperWith(nil)
		pass(feedAtMost + someTime)
		b.sees(5)
		pass(someTime)
		w.asked(b, "Watch")
		for range 50 {
			pass(100 * time.Millisecond)
			b.sees(5)
		}
		require.LessOrEqual(t, w.asked(b, "Watch"), 1, "the feed is whole again")
	})
}

// What is lost is noticed with the next message, be it a heartbeat.
func TestALostMessageIsNoticed(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		b := w.nodes[1]
		b.sees(0)
		w.loseFeeds(func(_ *node, feed *messages.Feed) bool { return len(feed.GetChanges()) > 0 })
		w.grain.do(holdSeat(1))
		pass(2*feedAtMost + someTime)
		b.sees(1)
		require.Equal(t, 2, w.asked(b, "Watch"))
		w.grain.do(holdSeat(2))
		pass(someTime)
		w.tamperWith(nil)
		w.grain.do(holdSeat(3))
		pass(someTime)
		b.sees(3)
		require.Equal(t, 1, w.asked(b, "Watch"))
	})
}

func TestMessagesThatComeTwiceOrTooLateChangeNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		b := w.nodes[1]
		b.sees(0)
		var kept []*messages.Feed
		w.tamperWith(func(to *node, feed *messages.Feed) []*messages.Feed {
			if to == b {
				kept = append(kept, feed)
			}
			return []*messages.Feed{feed, feed}
		})
		w.grain.do(holdSeat(1))
		pass(someTime)
		b.sees(1)
		w.grain.do(holdSeat(2))
		pass(someTime)
		w.tamperWith(func(_ *node, feed *messages.Feed) []*messages.Feed { return append([]*messages.Feed{feed}, kept...) })
		pass(feedAtMost + someTime)
		b.sees(2)
		require.Equal(t, 1, w.asked(b, "Watch"))
	})
}

func TestMessagesOutOfOrderAreAGap(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		b := w.nodes[1]
		b.sees(0)
		var late *messages.Feed
		w.tamperWith(func(to *node, feed *messages.Feed) []*messages.Feed {
			if to != b {
				return nil
			}
			if late == nil {
				late = feed
				return nil
			}
			first := late
			late = nil
			return []*messages.Feed{feed, first}
		})
		w.grain.do(holdSeat(1))
		pass(someTime)
		w.grain.do(holdSeat(2))
		pass(someTime)
		b.sees(2)
		require.Equal(t, 2, w.asked(b, "Watch"))
	})
}

func TestWhatHappensWhileAWatchIsUnderWayIsNotLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		meanwhile func(w *world)
		watches   int
	}{
		{"a change arrives", func(w *world) { w.grain.do(holdSeat(1)); pass(someTime) }, 1},
		{"several arrive", func(w *world) {
			w.grain.do(holdSeat(1), holdSeat(2))
			pass(someTime)
			w.grain.do(seatmap.EndPlace{}, seatmap.Release{ReservationID: holdSeat(0).ReservationID})
			pass(someTime)
		}, 1},
		{"a change is lost", func(w *world) {
			w.loseFeeds(func(*node, *messages.Feed) bool { return true })
			w.grain.do(holdSeat(1))
			pass(someTime)
			w.tamperWith(nil)
			pass(feedAtMost + someTime)
		}, 2},
		{"the grain moves", func(w *world) { w.grain.moveTo(w.nodes[2], true); w.grain.do(holdSeat(1)); pass(someTime) }, 2},
		{"the owner dies, and another takes over", func(w *world) {
			w.nodes[0].lost.Store(true)
			w.grain.moveTo(w.nodes[2], false)
			w.grain.do(holdSeat(1))
			pass(time.Second)
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 3, func(t *testing.T, w *world) {
				b := w.nodes[1]
				w.meanwhile = func() { c.meanwhile(w) }
				seatMap, err := b.SeatMap(t.Context(), scheduleID, nil)
				require.NoError(t, err)
				want := w.grain.schedule.SeatMap(now())
				require.Equal(t, want, *seatMap)
				require.Equal(t, c.watches, w.asked(b, "Watch"))
				pass(feedAtMost)
				b.sees(takenOf(&want))
			})
		})
	}
}

func TestANewEpochIsAnotherView(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, func(t *testing.T, w *world) {
		a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
		b.sees(0)
		a.sees(0)
		w.grain.moveTo(c, true)
		w.grain.do(holdSeat(1))
		a.sees(1)
		pass(someTime)
		b.sees(1)
		// What is left of the old epoch says nothing.
		a.Changed(&messages.Change{
			Kind: string(boxoffice.KindSchedule), Id: scheduleID, Epoch: 1, Version: 2,
			Of: &messages.Change_Seats{Seats: &messages.SeatsChange{Updates: []*messages.SeatUpdate{{SeatNumber: 9, Status: 2}}}},
		})
		pass(someTime)
		a.sees(1)
		b.sees(1)
		require.Equal(t, 2, w.asked(b, "Watch"))
		// The new owner goes away without a word; the next is on a's node.
		c.lost.Store(true)
		pass(time.Second)
		w.grain.moveTo(a, false)
		w.grain.do(holdSeat(2))
		a.sees(2)
		pass(time.Second)
		b.sees(2)
	})
}

// What another epoch changed is no change of what is here, even if it has the next number.
func TestChangesOfANewerEpochDoNotFitAnOlderView(t *testing.T) {
	t.Parallel()
	inBubble(t, 4, func(_ *testing.T, w *world) {
		a, b, c, d := w.nodes[0], w.nodes[1], w.nodes[2], w.nodes[3]
		b.sees(0)
		w.grain.do(holdSeat(1)) // version 1
		pass(feedAtMost)
		b.sees(1)
		a.lost.Store(true)
		w.grain.moveTo(c, false)
		w.grain.do(holdSeat(2)) // version 1, which nobody hears of
		d.sees(2)
		w.grain.do(holdSeat(3)) // version 2
		pass(someTime)
		b.sees(3)
	})
}

func TestAnOwnerWithoutLeaseTellsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, func(t *testing.T, w *world) {
		a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
		b.sees(0)
		pass(time.Second)
		a.lost.Store(true)
		w.grain.moveTo(c, false) // a does not know
		w.grain.do(holdSeat(1))
		pass(time.Second)
		b.sees(1)
		require.Equal(t, 2, w.asked(b, "Watch"))
	})
}

func TestAClockThatJumpsMakesAReplicaUselessNotWrong(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{2 * time.Second, -2 * time.Second, time.Hour, -time.Hour} {
		inBubble(t, 2, func(t *testing.T, w *world) {
			b := w.nodes[1]
			b.sees(0)
			pass(time.Second)
			b.sees(0)
			w.asked(b, "Watch")
			b.skew.Store(jump.Milliseconds())
			b.sees(0)
			require.Equal(t, 1, w.asked(b, "Watch"))
			w.grain.do(holdSeat(1))
			pass(time.Second)
			b.sees(1)
			b.skew.Store(0)
			w.grain.do(holdSeat(2))
			pass(someTime)
			b.sees(2)
		})
	}
}

// The owner stops telling by its own clock, and says so.
func TestAWatchThatRunsOutIsTold(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		a, b := w.nodes[0], w.nodes[1]
		b.sees(0)
		pass(time.Second)
		b.sees(0)
		a.skew.Store((2 * watchedFor).Milliseconds())
		w.grain.do(holdSeat(1))
		require.False(t, w.grain.watched)
		pass(someTime)
		b.sees(1)
		require.Equal(t, 2, w.asked(b, "Watch"))
		a.skew.Store((4 * watchedFor).Milliseconds())
		pass(2 * sweepEvery)
		require.Empty(t, a.outbox.watched)
	})
}

func TestNothingIsShownThatIsOlderThanWhatThisNodeHasTold(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		b := w.nodes[1]
		b.sees(0)
		for seat := 1; seat <= 20; seat++ {
			cmd := holdSeat(seat)
			_, err := b.Hold(t.Context(), scheduleID, cmd.Operation, cmd.Admission, cmd.SeatNumber)
			require.NoError(t, err)
			b.sees(seat) // waits for the feed
		}
		require.Equal(t, 1, w.asked(b, "Watch"))
		w.loseFeeds(func(*node, *messages.Feed) bool { return true })
		for seat := 21; seat <= 30; seat++ {
			cmd := holdSeat(seat)
			_, err := b.Hold(t.Context(), scheduleID, cmd.Operation, cmd.Admission, cmd.SeatNumber)
			require.NoError(t, err)
			b.sees(seat) // waits for nothing, and asks
		}
		require.Equal(t, 10, w.asked(b, "Watch"))
	})
}

func TestAHoldThatIsDueIsForTheGrain(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(_ *testing.T, w *world) {
		for _, n := range w.nodes {
			n.sees(0)
		}
		w.grain.do(holdSeat(1))
		pass(holdTTL - time.Millisecond - time.Second)
		for _, n := range w.nodes {
			n.sees(1) // asks anew: unused for a while
		}
		pass(time.Second)
		for _, n := range w.nodes {
			n.sees(1)
		}
		pass(time.Millisecond) // no timer has run
		for _, n := range w.nodes {
			n.sees(0)
		}
	})
}

func TestTheGuardAnswersAsTheScheduleDoes(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		b := w.nodes[1]
		start := now()
		admission := func(n int, endsIn time.Duration) *boxoffice.Admission {
			return &boxoffice.Admission{UserID: user(n), Sequence: uint64(n), EndsAt: start.Add(endsIn)}
		}
		ask := func(a *boxoffice.Admission) boxoffice.Code {
			_, err := b.SeatMap(t.Context(), scheduleID, a)
			_, followErr := b.FollowSeats(t.Context(), scheduleID, a, -1)
			require.Equal(t, err, followErr)
			if err == nil {
				return ""
			}
			return boxoffice.CodeOf(err)
		}
		held := holdSeat(3)
		w.grain.do(held)
		require.Empty(t, ask(admission(1, time.Minute)))
		require.Empty(t, ask(admission(3, 0)), "a hold lengthens it")
		require.Equal(t, boxoffice.CodeQueueTokenExpired, ask(admission(4, 0)))
		_, err := b.Ask(t.Context(), boxoffice.KindSchedule, scheduleID, &messages.EndPlace{Sequence: 1, EndsAt: now().Add(time.Hour).UnixMilli()})
		require.NoError(t, err)
		require.Equal(t, boxoffice.CodeQueueTokenExpired, ask(admission(1, time.Minute)), "it was told so")
		w.grain.do(seatmap.Pay{
			Operation: boxoffice.Operation{ID: uuid.New()}, PaymentID: uuid.New(),
			ReservationID: held.ReservationID, UserID: held.UserID,
		})
		pass(someTime)
		require.Equal(t, boxoffice.CodeQueueTokenExpired, ask(admission(3, time.Hour)))
		require.Equal(t, 1, w.asked(b, "Watch"))
	})
}

func TestThoseWhoFollowHearEveryChange(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		for _, n := range w.nodes {
			news, err := n.FollowSeats(t.Context(), scheduleID, nil, -1)
			require.NoError(t, err)
			require.False(t, news.Complete, "who has seen nothing gets the map")
			seen := *news.Map
			free := takenOf(&seen)
			for seat := free + 1; seat <= free+20; seat += 2 {
				w.grain.do(holdSeat(seat), holdSeat(seat+1))
				<-news.Changed
				news, err = n.FollowSeats(t.Context(), scheduleID, nil, seen.Version)
				require.NoError(t, err)
				require.True(t, news.Complete)
				for _, change := range news.Changes {
					seen.Version++
					require.Equal(t, seen.Version, change.Version)
					seen.Statuses[change.SeatNumber-1] = change.Status
				}
				for seen.Version < int64(seat+1) { // the two came one after the other
					<-news.Changed
					news, err = n.FollowSeats(t.Context(), scheduleID, nil, seen.Version)
					require.NoError(t, err)
					require.True(t, news.Complete)
					for _, change := range news.Changes {
						seen.Version++
						seen.Statuses[change.SeatNumber-1] = change.Status
					}
				}
				require.Equal(t, *news.Map, seen)
			}
		}
	})
}

func TestWhoIsTooFarBehindGetsTheMap(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, w *world) {
		a := w.nodes[0]
		a.sees(0)
		for i := range 3 * maxHistory {
			cmd := hold(i+1, 1, now())
			w.grain.do(cmd, seatmap.Release{
				Operation: boxoffice.Operation{ID: uuid.New()}, ReservationID: cmd.ReservationID, UserID: cmd.UserID,
			})
		}
		version := a.sees(0).Version
		require.Equal(t, int64(6*maxHistory), version)
		news, err := a.FollowSeats(t.Context(), scheduleID, nil, version-maxHistory)
		require.NoError(t, err)
		require.True(t, news.Complete)
		require.Len(t, news.Changes, maxHistory)
		require.Equal(t, version, news.Changes[maxHistory-1].Version)
		for _, since := range []int64{-1, 0, version - 2*maxHistory - 1, version + 1} {
			news, err := a.FollowSeats(t.Context(), scheduleID, nil, since)
			require.NoError(t, err)
			require.False(t, news.Complete, "%d of %d", since, version)
			require.Empty(t, news.Changes)
		}
	})
}

func TestWhoHasSeenMoreOnAnotherNodeIsNotShownLess(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		a, b := w.nodes[0], w.nodes[1]
		b.sees(0)
		a.sees(0)
		w.loseFeeds(func(*node, *messages.Feed) bool { return true })
		w.grain.do(holdSeat(1))
		since := a.sees(1).Version
		news, err := b.FollowSeats(t.Context(), scheduleID, nil, since)
		require.NoError(t, err)
		require.Equal(t, since, news.Map.Version)
		require.True(t, news.Complete)
	})
}

func TestThoseWhoFollowAskAgainWhereNobodyVouches(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		b := w.nodes[1]
		news, err := b.FollowSeats(t.Context(), scheduleID, nil, -1)
		require.NoError(t, err)
		w.loseFeeds(func(*node, *messages.Feed) bool { return true })
		began := now()
		w.grain.do(holdSeat(1))
		<-news.Changed
		require.Less(t, now().Sub(began), time.Second+checkEvery)
		news, err = b.FollowSeats(t.Context(), scheduleID, nil, news.Map.Version)
		require.NoError(t, err)
		require.Equal(t, 1, takenOf(news.Map))
		w.grain.setDown(true)
		<-news.Changed
		_, err = b.FollowSeats(t.Context(), scheduleID, nil, news.Map.Version)
		require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
		w.grain.setDown(false)
		b.sees(1)
	})
}

func TestReplicasThatNobodyAsksAreDropped(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		a, b := w.nodes[0], w.nodes[1]
		a.sees(0)
		b.sees(0)
		pass(unusedFor + watchedFor + 2*sweepEvery)
		for _, n := range w.nodes {
			require.Empty(t, n.seats.replicas)
			require.Empty(t, n.followed)
		}
		w.grain.do(holdSeat(1))
		require.False(t, w.grain.watched)
		require.Empty(t, a.outbox.watched)
		// Somebody who only waits is somebody who asks.
		news, err := b.FollowSeats(t.Context(), scheduleID, nil, -1)
		require.NoError(t, err)
		w.asked(b, "Watch")
		for range 10 {
			<-news.Changed
			news, err = b.FollowSeats(t.Context(), scheduleID, nil, news.Map.Version)
			require.NoError(t, err)
		}
		require.Len(t, b.seats.replicas, 1)
		require.LessOrEqual(t, w.asked(b, "Watch"), 12)
	})
}

func TestAnUnknownScheduleLeavesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, w *world) {
		a := w.nodes[0]
		_, err := a.SeatMap(t.Context(), scheduleID+1, nil)
		require.Equal(t, boxoffice.CodeScheduleNotFound, boxoffice.CodeOf(err))
		require.Empty(t, a.seats.replicas)
	})
}

func TestPastTheLastReplicaTheGrainIsAsked(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, w *world) {
		a := w.nodes[0]
		for id := range int64(maxReplicas) {
			require.NotNil(t, a.replica(&a.seats, 1_000_000+id))
		}
		a.sees(0)
		require.Equal(t, 1, w.asked(a, "ReadSeats"))
		news, err := a.FollowSeats(t.Context(), scheduleID, nil, 0)
		require.NoError(t, err)
		require.True(t, news.Complete)
		<-news.Changed
	})
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, w *world) {
		gate := make(chan struct{})
		w.meanwhile = func() { <-gate }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.nodes[0].SeatMap(ctx, scheduleID, nil)
		require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(gate)
	})
}

// Everybody who asks meanwhile waits for one watch.
func TestOneWatchIsEnoughForAll(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, w *world) {
		a := w.nodes[0]
		w.meanwhile = func() { pass(time.Second) }
		done := make(chan struct{})
		for range 100 {
			go func() {
				a.sees(0)
				done <- struct{}{}
			}()
		}
		for range 100 {
			<-done
		}
		require.Equal(t, 1, w.asked(a, "Watch"))
		require.Zero(t, w.asked(a, "ReadSeats"))
	})
}

// A view of which nothing can be made keeps nobody from the grain, which is asked for the
// whole view again only after a while.
func TestAViewThatCannotBeReadIsForTheGrain(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, w *world) {
		b := w.nodes[1]
		w.grain.unreadable = true
		for range 3 {
			b.sees(0)
			_, err := b.FollowSeats(t.Context(), scheduleID, nil, 0)
			require.NoError(t, err)
		}
		require.Equal(t, 1, w.asked(b, "Watch"))
		require.Equal(t, 6, w.asked(b, "ReadSeats"))
		w.grain.unreadable = false
		pass(renewAfter)
		b.sees(0)
		b.sees(0)
		require.Zero(t, w.asked(b, "ReadSeats"))
	})
}
