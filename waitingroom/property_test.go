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
	"boxoffice/internal/fixture"
	"boxoffice/waitingroom"
)

// roomRun is one history of a room and of its model, beside that of the schedule.
type roomRun struct {
	room       *waitingroom.Room
	model      roomModel
	schedule   modelSchedule
	past       []boxoffice.ScheduleNews // all that were ever told
	now        time.Time
	operation  int
	events     []boxoffice.Event // all that are durable, as they were decided
	snapshot   []byte            // of the state after the first `snapshotAt` events
	snapshotAt int
	lastIn     uint64
}

func newRoomRun(t *rapid.T) *roomRun {
	l := limits()
	l.MaxWaiting = 6
	capacity, perSecond := rapid.IntRange(1, 4).Draw(t, "capacity"), rapid.IntRange(0, 3).Draw(t, "per second")
	r := &roomRun{
		room: waitingroom.New(l),
		model: roomModel{
			limits: l, capacity: capacity, perSecond: perSecond,
			settled: make(map[uint64]bool), completed: make(map[uint64]bool),
		},
		schedule: modelSchedule{
			version: 1, changed: make(map[uint64]int64), heldUntil: make(map[uint64]time.Time), completed: make(map[uint64]bool),
		},
		now: at(0),
	}
	r.apply([]boxoffice.Event{queueOpened(capacity, perSecond)})
	return r
}

func (r *roomRun) apply(events []boxoffice.Event) []boxoffice.Event {
	r.events = append(r.events, events...)
	return applyAll(r.room, events)
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
	r.apply(events)
	again, refusal := r.room.Decide(cmd, r.now)
	if want == "" {
		require.Nil(t, refusal)
		require.Empty(t, again, "a command that is sent again does nothing more")
	}
	return events
}

// batch is what a grain does: what is owed and due, some commands, then admissions. The
// journal takes it, or fails, or refuses to let places expire whose rows know better.
func (r *roomRun) batch(t *rapid.T) {
	before, model, events, lastIn := r.observe(t, r.room), r.model.clone(), len(r.events), r.lastIn
	told := len(r.past)
	r.room.Begin()
	r.decide(t)
	if r.journalRefuses(r.events[events:]) || rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
		r.room.Rollback()
		refused := r.events[events:]
		r.model.takeBack(model)
		r.events, r.lastIn = r.events[:events], lastIn
		if len(r.past) == told {
			require.Equal(t, before, r.observe(t, r.room), "as if nothing had been")
		}
		r.hearRows(refused)
		return
	}
	r.room.Keep(r.now)
}

// decide decides a batch. What is owed and due may be left to the commands.
func (r *roomRun) decide(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "settle") > 0 {
		r.requireEnd(t, boxoffice.PlaceCompleted, r.model.owed(), r.room.Settle(r.now))
	}
	if rapid.IntRange(0, 4).Draw(t, "due") > 0 {
		r.requireEnd(t, boxoffice.PlaceExpired, r.model.due(r.now), r.room.Due(r.now))
	}
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
	}
	require.Equal(t, want, got)
	if len(got) > 0 {
		require.LessOrEqual(t, inBefore+len(got), r.model.capacity)
	}
}

// requireEnd applies events that are to end these places.
func (r *roomRun) requireEnd(t *rapid.T, status boxoffice.PlaceStatus, want []uint64, events []boxoffice.Event) {
	if len(want) == 0 {
		require.Empty(t, events)
		return
	}
	require.Len(t, events, 1)
	require.ElementsMatch(t, want, events[0].Data.(waitingroom.Ended).Sequences)
	require.Equal(t, status, events[0].Data.(waitingroom.Ended).Status)
	r.apply(events)
	r.model.end(status, want...)
}

// expiries lists the places that events let expire.
func expiries(events []boxoffice.Event) (sequences []uint64) {
	for _, e := range events {
		if d, ok := e.Data.(waitingroom.Ended); ok && d.Status == boxoffice.PlaceExpired {
			sequences = append(sequences, d.Sequences...)
		}
	}
	return sequences
}

func (r *roomRun) journalRefuses(events []boxoffice.Event) bool {
	return slices.ContainsFunc(expiries(events), func(sequence uint64) bool {
		return r.schedule.completed[sequence] || r.schedule.heldUntil[sequence].After(r.now)
	})
}

// hearRows passes on what the journal says of places that were to expire.
func (r *roomRun) hearRows(refused []boxoffice.Event) {
	for _, sequence := range expiries(refused) {
		row := r.schedule.row(sequence)
		r.room.HearRow(row)
		r.model.places[sequence-1].HeldUntil = row.HeldUntil
		if row.Status == boxoffice.PlaceCompleted {
			r.model.completed[sequence] = true
		}
	}
}

func (r *roomRun) command(t *rapid.T) {
	n := rapid.IntRange(1, 12).Draw(t, "user")
	who := user(n)
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
		r.configure(t)
	case 8, 9:
		r.hear(t)
	}
}

func (r *roomRun) join(t *rapid.T, who uuid.UUID, own *modelPlace) {
	var want boxoffice.Code
	free := max(0, r.model.capacity-len(r.model.live(boxoffice.PlaceAdmitted)))
	r.operation++
	cmd := waitingroom.Join{OperationID: operation(r.operation), UserID: who}
	switch {
	case own != nil:
		require.Empty(t, r.tell(t, cmd, ""), "given again")
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
	events := r.tell(t, cmd, want)
	if want != "" {
		return
	}
	if len(events) > 1 { // the last place had ended without an event
		d := events[0].Data.(waitingroom.Ended)
		require.Len(t, d.Sequences, 1)
		p := r.model.places[d.Sequences[0]-1]
		require.Equal(t, who, p.UserID)
		require.True(t, r.model.over(p, r.now))
		require.Equal(t, r.model.completed[p.Sequence], d.Status == boxoffice.PlaceCompleted)
		r.model.end(d.Status, p.Sequence)
	}
	r.model.places = append(r.model.places, &modelPlace{PlaceRecord: waitingroom.PlaceRecord{
		Sequence: uint64(len(r.model.places) + 1), UserID: who, OperationID: cmd.OperationID,
		Status: boxoffice.PlaceWaiting, JoinedAt: r.now,
	}})
}

// find returns a place that has no event of its end, whoever's it is; nil if there is none.
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
	case p == nil || r.model.over(p, r.now):
		want = boxoffice.CodeQueueTokenExpired
	case p.Status == boxoffice.PlaceAdmitted:
		p.Claimed = true
	}
	r.tell(t, waitingroom.Touch{UserID: who, Sequence: sequence}, want)
}

func (r *roomRun) leave(t *rapid.T, who uuid.UUID, sequence uint64) {
	var want boxoffice.Code
	if p := r.find(sequence); p != nil && !r.model.completed[sequence] {
		if p.ended = p.UserID == who; !p.ended {
			want = boxoffice.CodeQueueTokenInvalid
		}
	}
	r.tell(t, waitingroom.Leave{UserID: who, Sequence: sequence}, want)
}

// sell lets the schedule do something with a place that its row says is admitted.
func (r *roomRun) sell(t *rapid.T) {
	switch rapid.IntRange(0, 4).Draw(t, "sale") {
	case 0:
		r.schedule.version++
		r.schedule.soldOut = !r.schedule.soldOut
	default:
		in := r.model.live(boxoffice.PlaceAdmitted)
		if len(in) == 0 {
			return
		}
		sequence := rapid.SampledFrom(in).Draw(t, "place").Sequence
		if rapid.Bool().Draw(t, "paid") {
			r.schedule.complete(sequence)
			return
		}
		r.schedule.hold(sequence, rapid.SampledFrom([]time.Time{
			{}, r.now.Add(time.Second), r.now.Add(time.Hour),
		}).Draw(t, "held until"))
	}
}

// hear passes the room what the schedule's journal says, from some version on, or again
// what it said once.
func (r *roomRun) hear(t *rapid.T) {
	news := r.schedule.news(rapid.SampledFrom([]int64{
		0, r.model.known, r.model.known, max(0, r.model.known-3), r.schedule.version,
	}).Draw(t, "after"))
	if len(r.past) > 0 && rapid.IntRange(0, 3).Draw(t, "again") == 0 {
		news = rapid.SampledFrom(r.past).Draw(t, "news")
	}
	r.past = append(r.past, news)
	r.tellNews(t, news)
}

func (r *roomRun) tellNews(t *rapid.T, news boxoffice.ScheduleNews) {
	known := r.model.known
	complete := news.After <= known && (news.After > 0 || known == 0 || news.Version <= known)
	require.Equal(t, complete, r.room.Hear(news))
	for _, p := range news.Places {
		live := !r.model.places[p.Sequence-1].ended
		if p.Completed && (live || news.After > 0 || known == 0) {
			r.model.completed[p.Sequence] = true
		}
	}
	if complete && news.Version >= known {
		r.model.known, r.model.soldOut = news.Version, news.SoldOut
		for _, p := range r.model.places {
			if news.After == 0 {
				p.HeldUntil = time.Time{}
			}
			for _, told := range news.Places {
				if told.Sequence == p.Sequence {
					p.HeldUntil = told.HeldUntil
				}
			}
		}
	}
	require.Equal(t, r.model.known, r.room.KnownVersion())
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
		require.Empty(t, r.room.Due(r.now))
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
	r.snapshot, r.snapshotAt = []byte(fixture.Snapshot(t, r.room)), len(r.events)
}

// replay compares the room with those that its events, its merged events and its rows
// make, once all of them have heard the news.
func (r *roomRun) replay(t *rapid.T) {
	r.tellNews(t, r.schedule.news(r.room.KnownVersion()))
	r.requireEnd(t, boxoffice.PlaceCompleted, r.model.owed(), r.room.Settle(r.now))
	want := r.observe(t, r.room)
	for _, events := range [][]boxoffice.Event{r.events, waitingroom.AppendEvents(nil, r.events...)} {
		replayed, err := waitingroom.Replay(r.model.limits, events)
		require.NoError(t, err)
		hearAll(t, replayed, r.schedule, r.now)
		require.Equal(t, want, r.observe(t, replayed), "replay makes the state")
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
	hearAll(t, restored, r.schedule, r.now)
	require.Equal(t, want, r.observe(t, restored), "rows make the state")
	if r.snapshot != nil {
		restored, err := restoreRoom(r.model.limits, r.snapshot, r.events[r.snapshotAt:], rows, recent)
		require.NoError(t, err)
		hearAll(t, restored, r.schedule, r.now)
		require.Equal(t, want, r.observe(t, restored), "snapshot, tail and rows make the state")
	}
}

// hearAll passes a room what it does not know. Of a place that has ended in another way, or
// that the room that wrote the events heard of ahead of its known version, it may be told
// the end once more.
func hearAll(t *rapid.T, room *waitingroom.Room, schedule modelSchedule, now time.Time) {
	require.True(t, room.Hear(schedule.news(room.KnownVersion())))
	applyAll(room, room.Settle(now))
}

func (r *roomRun) observe(t *rapid.T, room *waitingroom.Room) []string {
	var places []waitingroom.PlaceRecord
	for _, p := range r.model.places {
		places = append(places, p.PlaceRecord)
	}
	return observe(t, room, places, r.now)
}

// observe describes all of a room that can be seen.
func observe(t fixture.T, room *waitingroom.Room, places []waitingroom.PlaceRecord, now time.Time) []string {
	seen := []string{fixture.Snapshot(t, room), fmt.Sprint(
		room.Status(now), room.NextSequence(), room.NextWake(now), room.AdmittedSequences(), room.KnownVersion(),
		room.Admit(now, 1), room.Admit(now.Add(time.Second), 1), room.Settle(now),
		room.Due(now), room.Due(now.Add(time.Minute)), room.Due(now.Add(time.Hour)),
	)}
	for waiting := range room.WaitingSequences() {
		seen = append(seen, fmt.Sprint(waiting))
	}
	for _, p := range places {
		shown, refusal := room.Place(p.UserID, p.Sequence, now)
		sequence, operationID, ok := room.PlaceOf(p.UserID)
		seen = append(seen, fmt.Sprint(shown, refusal, sequence, operationID, ok))
	}
	return seen
}

// check compares the room with its model.
func (r *roomRun) check(t *rapid.T) {
	waiting, admitted := r.model.live(boxoffice.PlaceWaiting), r.model.live(boxoffice.PlaceAdmitted)
	status := r.room.Status(r.now)
	require.Equal(t, len(admitted), status.Admitted)
	require.Equal(t, len(r.model.owed()) > 0, r.room.Owes())
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
	for _, p := range r.model.places {
		shown, refusal := r.room.Place(p.UserID, p.Sequence, r.now)
		if r.model.over(p, r.now) {
			require.Equal(t, boxoffice.CodeQueueTokenExpired, refusal.Code)
			continue
		}
		require.Nil(t, refusal)
		sequence, operationID, _ := r.room.PlaceOf(p.UserID)
		require.Equal(t, p.Sequence, sequence)
		require.Equal(t, p.OperationID, operationID)
		if p.Status == boxoffice.PlaceAdmitted {
			require.Equal(t, boxoffice.PlaceAdmitted, shown.Status)
			require.Equal(t, []time.Time{p.JoinedAt, p.AdmittedAt, p.EndsAt},
				[]time.Time{shown.JoinedAt, shown.AdmittedAt, shown.AdmissionEndsAt})
		}
	}
}

func TestRoomKeepsToItsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRoomRun(t)
		t.Repeat(map[string]func(*rapid.T){
			"batch":      r.batch,
			"more":       r.batch,
			"sell":       r.sell,
			"sell more":  r.sell,
			"hear":       r.hear,
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
