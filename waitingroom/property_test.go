package waitingroom_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"

	"boxoffice/waitingroom"
)

// roomRun is one history of a room and of its model.
type roomRun struct {
	room       *waitingroom.Room
	model      roomModel
	now        time.Time
	events     []boxoffice.Event // all of them, as they were decided
	merged     []boxoffice.Event // the same, merged
	snapshot   []byte            // of the state after the first `snapshotAt` events
	snapshotAt int
	seats      int64 // version of what is known of the seats
	lastIn     uint64
}

func newRoomRun(t *rapid.T) *roomRun {
	l := limits()
	l.MaxWaiting = 6
	capacity, perSecond := rapid.IntRange(1, 4).Draw(t, "capacity"), rapid.IntRange(0, 3).Draw(t, "per second")
	r := &roomRun{
		room:  waitingroom.New(l),
		model: roomModel{limits: l, capacity: capacity, perSecond: perSecond},
		now:   at(0),
	}
	r.record(r.apply([]boxoffice.Event{queueOpened(capacity, perSecond)}))
	return r
}

func (r *roomRun) apply(events []boxoffice.Event) []boxoffice.Event { return applyAll(r.room, events) }

func (r *roomRun) record(events []boxoffice.Event) {
	r.events = append(r.events, events...)
	r.merged = waitingroom.AppendEvents(r.merged, events...)
}

// tell decides a command and wants this refusal, or none.
func (r *roomRun) tell(t *rapid.T, cmd waitingroom.Command, want boxoffice.Code) []boxoffice.Event {
	events, refusal := r.room.Decide(cmd, r.now)
	var got boxoffice.Code
	if refusal != nil {
		got = refusal.Code
		require.Empty(t, events)
	}
	require.Equal(t, want, got, "%T at %v: %+v", cmd, r.now, cmd)
	r.record(r.apply(events))
	again, refusal := r.room.Decide(cmd, r.now)
	if want == "" {
		require.Nil(t, refusal)
		require.Empty(t, again, "a command that is sent again does nothing more")
	}
	return events
}

// expire does what is due, as a grain does before every batch: the journal refuses
// places whose rows know of a hold.
func (r *roomRun) expire(t *rapid.T) {
	due := r.room.ExpireDue(r.now)
	var want []uint64
	for _, p := range r.model.live(boxoffice.PlaceAdmitted) {
		if !r.now.Before(r.model.deadline(p)) {
			want = append(want, p.Sequence)
		}
	}
	if len(want) == 0 {
		require.Empty(t, due)
		return
	}
	require.Len(t, due, 1)
	require.Equal(t, waitingroom.Ended{Sequences: want, Status: boxoffice.PlaceExpired}, due[0].Data)
	if p := r.model.places[want[0]-1]; p.Claimed && rapid.IntRange(0, 3).Draw(t, "row has a hold") == 0 {
		p.HeldUntil = r.now.Add(time.Minute)
		require.Empty(t, r.room.NoteRow(boxoffice.PlaceRow{
			Sequence: p.Sequence, Status: boxoffice.PlaceAdmitted, HeldUntil: p.HeldUntil,
		}, r.now))
		r.expire(t)
		return
	}
	for _, sequence := range want {
		r.model.places[sequence-1].ended = true
	}
	r.record(r.apply(due))
}

// batch is what a grain does: what is due, some commands, then admissions.
func (r *roomRun) batch(t *rapid.T) {
	r.expire(t)
	before := r.room.NextSequence()
	for range rapid.IntRange(0, 4).Draw(t, "commands") {
		r.command(t)
	}
	inBefore := len(r.model.live(boxoffice.PlaceAdmitted))
	want := r.model.admit(r.now)
	var got []uint64
	for _, e := range r.apply(r.room.Admit(r.now, before)) {
		d := e.Data.(waitingroom.Admitted)
		for _, sequence := range d.Sequences {
			require.Equal(t, sequence >= before, d.Claimed)
			require.Greater(t, sequence, r.lastIn, "order of admission is order of joining")
			r.lastIn = sequence
			r.model.places[sequence-1].Claimed = d.Claimed
		}
		got = append(got, d.Sequences...)
		r.record([]boxoffice.Event{e})
	}
	require.Equal(t, want, got)
	if len(got) > 0 {
		require.LessOrEqual(t, inBefore+len(got), r.model.capacity)
	}
}

func (r *roomRun) command(t *rapid.T) {
	who := user(rapid.IntRange(1, 12).Draw(t, "user"))
	own := r.model.of(who, r.now)
	sequence := uint64(rapid.IntRange(1, len(r.model.places)+1).Draw(t, "place"))
	if own != nil && rapid.IntRange(0, 4).Draw(t, "own") > 0 {
		sequence = own.Sequence
	}
	switch rapid.IntRange(0, 9).Draw(t, "command") {
	case 0, 1, 2, 3:
		r.join(t, who, own)
	case 4, 5:
		r.touch(t, who, sequence)
	case 6:
		r.leave(t, who, sequence)
	case 7:
		r.complete(t, sequence)
	case 8:
		r.configure(t)
	case 9:
		r.seats++
		r.model.soldOut = rapid.IntRange(0, 2).Draw(t, "sold out") == 0
		r.room.NoteSeats(r.seats, 3, r.model.soldOut)
		r.room.NoteSeats(r.seats-1, 3, !r.model.soldOut)
	}
}

func (r *roomRun) join(t *rapid.T, who uuid.UUID, own *modelPlace) {
	var want boxoffice.Code
	free := max(0, r.model.capacity-len(r.model.live(boxoffice.PlaceAdmitted)))
	switch {
	case own != nil:
		require.Empty(t, r.tell(t, waitingroom.Join{UserID: who}, ""), "given again")
		return
	case !r.model.onSale(r.now):
		want = boxoffice.CodeSalesClosed
	case r.model.soldOut:
		want = boxoffice.CodeSoldOut
	case len(r.model.live(boxoffice.PlaceWaiting)) >= r.model.limits.MaxWaiting+free:
		want = boxoffice.CodeQueueFull
	case len(r.model.live(boxoffice.PlaceWaiting)) >= r.model.limits.MaxWaiting:
		return // whether there is room depends on the rate: an example shows it
	}
	r.tell(t, waitingroom.Join{UserID: who}, want)
	if want == "" {
		r.model.places = append(r.model.places, &modelPlace{PlaceRecord: waitingroom.PlaceRecord{
			Sequence: uint64(len(r.model.places) + 1), UserID: who, Status: boxoffice.PlaceWaiting, JoinedAt: r.now,
		}})
	}
}

// find gives a place that is live, whoever's it is; nil if there is none.
func (r *roomRun) find(sequence uint64) *modelPlace {
	if sequence > uint64(len(r.model.places)) || r.model.places[sequence-1].ended {
		return nil
	}
	return r.model.places[sequence-1]
}

func (r *roomRun) touch(t *rapid.T, who uuid.UUID, sequence uint64) {
	p := r.find(sequence)
	var want boxoffice.Code
	switch {
	case p != nil && p.UserID != who:
		want = boxoffice.CodeQueueTokenInvalid
	case p == nil || r.model.of(who, r.now) != p:
		want = boxoffice.CodeQueueTokenExpired
	case p.Status == boxoffice.PlaceAdmitted:
		p.Claimed = true
	}
	r.tell(t, waitingroom.Touch{UserID: who, Sequence: sequence}, want)
}

func (r *roomRun) leave(t *rapid.T, who uuid.UUID, sequence uint64) {
	var want boxoffice.Code
	if p := r.find(sequence); p != nil {
		if p.ended = p.UserID == who; !p.ended {
			want = boxoffice.CodeQueueTokenInvalid
		}
	}
	r.tell(t, waitingroom.Leave{UserID: who, Sequence: sequence}, want)
}

// complete tells of a payment, or of a hold, in one of the ways that there are.
func (r *roomRun) complete(t *rapid.T, sequence uint64) {
	p := r.find(sequence)
	admitted := p != nil && p.Status == boxoffice.PlaceAdmitted
	switch rapid.IntRange(0, 3).Draw(t, "change") {
	case 0:
		r.tell(t, waitingroom.Complete{Sequence: sequence}, "")
		if admitted {
			p.ended = true
		}
	case 1:
		row := boxoffice.PlaceRow{Sequence: sequence, Status: boxoffice.PlaceCompleted}
		r.record(r.apply(r.room.NoteRow(row, r.now)))
		if admitted {
			p.ended = true
		}
	default:
		until := rapid.SampledFrom([]time.Time{{}, r.now.Add(time.Second), r.now.Add(time.Hour)}).Draw(t, "held until")
		row := boxoffice.PlaceRow{Sequence: sequence, Status: boxoffice.PlaceAdmitted, HeldUntil: until}
		require.Empty(t, r.room.NoteRow(row, r.now))
		if admitted {
			p.HeldUntil = until
		}
	}
	r.expire(t)
}

func (r *roomRun) configure(t *rapid.T) {
	cmd := boxoffice.Configure{
		Capacity:       new(rapid.IntRange(1, 4).Draw(t, "capacity")),
		AdmitPerSecond: new(rapid.IntRange(0, 3).Draw(t, "per second")),
		Paused:         new(rapid.IntRange(0, 2).Draw(t, "paused") == 0),
	}
	r.tell(t, cmd, "")
	r.model.capacity, r.model.perSecond, r.model.paused = *cmd.Capacity, *cmd.AdmitPerSecond, *cmd.Paused
}

func (r *roomRun) pass(t *rapid.T) {
	wake := r.room.NextWake(r.now)
	require.False(t, !wake.IsZero() && wake.Before(r.now))
	if wake.After(r.now) && rapid.Bool().Draw(t, "edge") {
		// Just before, there is nothing to do.
		r.now = wake.Add(-time.Millisecond)
		require.Empty(t, r.room.ExpireDue(r.now))
		require.Empty(t, r.room.Admit(r.now, 1))
		if rapid.Bool().Draw(t, "to the edge") {
			r.now = wake
		}
		return
	}
	r.now = r.now.Add(rapid.SampledFrom([]time.Duration{
		time.Millisecond, 999 * time.Millisecond, time.Second, 1001 * time.Millisecond, time.Minute, 10 * time.Minute,
	}).Draw(t, "time"))
}

func (r *roomRun) takeSnapshot(t *rapid.T) {
	r.snapshot, r.snapshotAt = []byte(snapshotOf(t, r.room)), len(r.events)
}

// replay compares the room with those that its events, its merged events and its rows
// give.
func (r *roomRun) replay(t *rapid.T) {
	r.expire(t)
	want := r.observe(t, r.room)
	for _, events := range [][]boxoffice.Event{r.events, r.merged} {
		replayed := waitingroom.New(r.model.limits)
		applyAll(replayed, events)
		require.Equal(t, want, r.observe(t, replayed), "replay gives the state")
	}
	var rows []waitingroom.PlaceRecord
	var recent []time.Time
	for _, p := range r.model.places {
		if !p.ended {
			rows = append(rows, p.PlaceRecord)
		} else if !p.AdmittedAt.IsZero() && r.now.Sub(p.AdmittedAt) <= waitingroom.RateWindow+time.Second {
			recent = append(recent, p.AdmittedAt)
		}
	}
	restored, err := restoreRoom(r.model.limits, nil, r.events, rows, recent)
	require.NoError(t, err)
	require.Equal(t, want, r.observe(t, restored), "rows give the state")
	if r.snapshot != nil {
		restored, err := restoreRoom(r.model.limits, r.snapshot, r.events[r.snapshotAt:], rows, recent)
		require.NoError(t, err)
		require.Equal(t, want, r.observe(t, restored), "snapshot, tail and rows give the state")
	}
}

// observe describes all of a room that can be seen, after telling it what events do not.
func (r *roomRun) observe(t *rapid.T, room *waitingroom.Room) []string {
	room.NoteSeats(r.seats, 3, r.model.soldOut)
	for _, p := range r.model.live(boxoffice.PlaceAdmitted) {
		room.NoteRow(boxoffice.PlaceRow{Sequence: p.Sequence, Status: p.Status, HeldUntil: p.HeldUntil}, r.now)
	}
	seen := []string{snapshotOf(t, room), fmt.Sprint(
		room.Status(r.now), room.NextSequence(), room.NextWake(r.now), room.AdmittedSequences(),
		room.Admit(r.now, 1), room.Admit(r.now.Add(time.Second), 1), room.ExpireDue(r.now.Add(time.Minute)),
	)}
	for _, p := range r.model.places {
		shown, refusal := room.Place(p.UserID, p.Sequence, r.now)
		seen = append(seen, fmt.Sprint(shown, refusal))
	}
	return seen
}

// check compares the room with its model.
func (r *roomRun) check(t *rapid.T) {
	r.expire(t)
	waiting, admitted := r.model.live(boxoffice.PlaceWaiting), r.model.live(boxoffice.PlaceAdmitted)
	status := r.room.Status(r.now)
	require.Equal(t, len(admitted), status.Admitted)
	if r.model.onSale(r.now) {
		require.Equal(t, len(waiting), status.Waiting)
		for i, p := range waiting {
			shown, refusal := r.room.Place(p.UserID, p.Sequence, r.now)
			require.Nil(t, refusal)
			require.Equal(t, boxoffice.PlaceWaiting, shown.Status)
			require.Equal(t, i+1, shown.Position)
			require.Equal(t, p.JoinedAt, shown.JoinedAt)
		}
	}
	for _, p := range admitted {
		shown, refusal := r.room.Place(p.UserID, p.Sequence, r.now)
		require.Nil(t, refusal)
		require.Equal(t, boxoffice.PlaceAdmitted, shown.Status)
		require.Equal(t, []time.Time{p.JoinedAt, p.AdmittedAt, p.EndsAt},
			[]time.Time{shown.JoinedAt, shown.AdmittedAt, shown.AdmissionEndsAt})
	}
	for _, p := range r.model.places {
		if p.ended {
			_, refusal := r.room.Place(p.UserID, p.Sequence, r.now)
			require.Equal(t, boxoffice.CodeQueueTokenExpired, refusal.Code)
		}
	}
}

func TestWaitingRoomKeepsToItsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRoomRun(t)
		t.Repeat(map[string]func(*rapid.T){
			"batch":      r.batch,
			"more":       r.batch,
			"pass":       r.pass,
			"pass again": r.pass,
			"snapshot":   r.takeSnapshot,
			"replay":     r.replay,
			"":           r.check,
		})
		r.replay(t)
		checkAdmissions(t, r.events)
	})
}

// checkAdmissions reads the events alone: joins count up, nobody is admitted twice or
// ahead of somebody who waits, and no admission makes a span of a second, ends
// included, hold more than the rate of its time.
func checkAdmissions(t *rapid.T, events []boxoffice.Event) {
	var waiting []uint64
	var admissions []time.Time
	perSecond := 0
	for _, e := range events {
		switch d := e.Data.(type) {
		case waitingroom.Opened:
			perSecond = d.AdmitPerSecond
		case waitingroom.Configured:
			perSecond = d.AdmitPerSecond
		case waitingroom.Joined:
			for i := range d.UserIDs {
				waiting = append(waiting, d.First+uint64(i))
			}
		case waitingroom.Ended:
			waiting = slices.DeleteFunc(waiting, func(s uint64) bool { return slices.Contains(d.Sequences, s) })
		case waitingroom.Admitted:
			require.Equal(t, waiting[:len(d.Sequences)], d.Sequences)
			waiting = slices.Clone(waiting[len(d.Sequences):])
			for range d.Sequences {
				admissions = append(admissions, e.At)
			}
			inSpan := 0
			for _, at := range admissions {
				if e.At.Sub(at) <= time.Second {
					inSpan++
				}
			}
			if perSecond > 0 {
				require.LessOrEqual(t, inSpan, perSecond)
			}
		}
	}
}
