package waitingroom_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/waitingroom"
)

// crowd is a room in which user n joins as number n.
type crowd struct {
	room   *waitingroom.Room
	events []boxoffice.Event
	now    time.Time
}

// seen is everything that the users and the public are shown.
type seen struct {
	status   boxoffice.QueueStatus
	places   []boxoffice.Place
	waiting  []uint64
	due      []boxoffice.Event
	snapshot string
}

func (c *crowd) look(t fixture.T, room *waitingroom.Room) seen {
	s := seen{status: room.Status(c.now), due: room.Due(c.now.Add(time.Hour)), snapshot: fixture.Snapshot(t, room)}
	for n := 1; n < int(room.NextSequence()); n++ {
		p, refusal := room.Place(user(n), uint64(n), c.now)
		if refusal != nil {
			p.Status = boxoffice.PlaceStatus(refusal.Code)
		}
		s.places = append(s.places, p)
	}
	for chunk := range room.WaitingSequences() {
		s.waiting = append(s.waiting, chunk...)
	}
	return s
}

func (c *crowd) apply(events []boxoffice.Event) {
	c.events = append(c.events, applyAll(c.room, events)...)
}

func (c *crowd) step(t *rapid.T) {
	waiting := c.look(t, c.room).waiting
	count := rapid.IntRange(0, 700).Draw(t, "count")
	switch rapid.IntRange(0, 3).Draw(t, "step") {
	case 0, 1:
		for range count {
			c.events = append(c.events, tell(t, c.room, joinOf(int(c.room.NextSequence())), c.now)...)
		}
	case 2:
		configure := boxoffice.Configure{Capacity: new(c.room.Status(c.now).Admitted + count + 1)}
		c.events = append(c.events, tell(t, c.room, configure, c.now)...)
		c.apply(c.room.Admit(c.now, 1))
		in := c.room.AdmittedSequences()
		if count = min(count, len(in)); count > 0 {
			c.apply([]boxoffice.Event{event(c.now, waitingroom.Claimed{Sequences: in[:count]})})
		}
	case 3:
		first := rapid.IntRange(0, len(waiting)).Draw(t, "first")
		leaving := slices.Clone(waiting[first:min(len(waiting), first+count)])
		in := c.room.AdmittedSequences()
		leaving = append(leaving, in[:min(len(in), count/7)]...)
		for _, sequence := range leaving {
			leave := waitingroom.Leave{UserID: user(int(sequence)), Sequence: sequence}
			c.events = append(c.events, tell(t, c.room, leave, c.now)...)
		}
	}
}

// Batches that empty whole blocks of the line, some kept and some taken back, against the
// room that the kept ones make.
func TestTakingBackBatchesOfThousands(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &crowd{room: newRoom(1, 0), events: []boxoffice.Event{queueOpened(1, 0)}}
		for batch := range rapid.IntRange(1, 5).Draw(t, "batches") {
			c.now = at(time.Duration(batch) * time.Second)
			before, kept := c.look(t, c.room), len(c.events)
			c.room.Begin()
			for range rapid.IntRange(0, 3).Draw(t, "steps") {
				c.step(t)
			}
			if rapid.Bool().Draw(t, "keep") {
				c.room.Keep(c.now)
				continue
			}
			c.room.Rollback()
			c.events = c.events[:kept]
			require.Equal(t, before, c.look(t, c.room))
		}
		replayed, err := waitingroom.Replay(limits(), c.events)
		require.NoError(t, err)
		replayed.ScheduleID = c.room.ScheduleID
		require.Equal(t, c.look(t, replayed), c.look(t, c.room))
	})
}

func TestOneBatchAtATime(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	require.Panics(t, func() { r.Keep(at(0)) })
	r.Begin()
	require.Panics(t, r.Begin)
	r.Keep(at(0))
	require.Panics(t, r.Rollback)
}

// Where Postgres writes nothing, what is due and what was asked come and go with every
// try, and whoever asks is answered as of now.
func TestBatchThatIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 2, at(0))
	applyAll(r, r.Admit(at(0), 1))
	over := at(10 * time.Minute)
	for range 3 {
		r.Begin()
		require.Len(t, applyAll(r, r.Due(over)), 1)
		join(t, r, 3, 3, over)
		require.Len(t, applyAll(r, r.Admit(over, 3)), 1)
		require.Equal(t, boxoffice.PlaceAdmitted, place(t, r, 2, over).Status)
		r.Rollback()
		_, refusal := r.Place(user(1), 1, over)
		require.Equal(t, boxoffice.CodeQueueTokenExpired, refusal.Code)
		require.Equal(t, 1, place(t, r, 2, over).Position)
		_, _, ok := r.PlaceOf(user(3))
		require.False(t, ok)
		require.Equal(t, over, r.NextWake(over))
	}
}

func TestWhatIsShownWhileABatchIsOpen(t *testing.T) {
	t.Parallel()
	r := newRoom(2, 0)
	enter := func(n int, now time.Time) { // a join that is let in at once counts as seen
		tell(t, r, joinOf(n), now)
		applyAll(r, r.Admit(now, uint64(n)))
	}
	shown := func(n int, now time.Time) bool {
		_, refusal, ok := r.Shown(user(n), uint64(n), now)
		require.Nil(t, refusal)
		return ok
	}
	enter(1, at(0))
	require.True(t, shown(1, at(time.Second)))
	r.Begin()
	enter(2, at(time.Second))
	require.True(t, shown(1, at(time.Second)), "the batch does not touch it")
	require.False(t, shown(2, at(time.Second)), "the batch lets it in")
	r.Keep(at(0))
	require.True(t, shown(2, at(time.Second)))
	require.False(t, shown(2, at(24*time.Hour)), "its row may have a hold that the room has not heard of")
	_, refusal, ok := r.Shown(user(2), 1, at(time.Second))
	require.True(t, ok)
	require.Equal(t, boxoffice.CodeQueueTokenInvalid, refusal.Code)
}

// Nobody learns that they were let in before that is durable.
func TestTheClaimTimeBeginsWhenAnAdmissionIsDurable(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	tell(t, r, joinOf(1), at(0))
	r.Begin()
	applyAll(r, r.Admit(at(0), 2))
	before := r.NextWake(at(0))
	r.Keep(at(30 * time.Second))
	require.Equal(t, before.Add(30*time.Second), r.NextWake(at(0)))
}
