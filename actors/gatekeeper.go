package actors

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"

	"boxoffice/waitingroom"
)

// gatekeeperGrain owns the waiting room of one schedule. Its state is too big to copy:
// decisions are applied as they are made, and where their commit fails the activation
// is given up. Only the expiry of places can be refused by the journal; it is committed
// alone and applied after.
type gatekeeperGrain struct {
	shell      *shell
	room       *waitingroom.Room
	learned    []boxoffice.Event // applied, and to be committed: see hurries
	learnedAt  time.Time         // when the first of them was
	reconciled time.Time         // when the rows of the admitted were last asked for
	roused     time.Time         // when the schedule was last woken
	told       waitingroom.View  // what those who watch were shown last
}

func (g *gatekeeperGrain) load(ctx context.Context) (boxoffice.Activation, error) {
	cfg := g.shell.cfg
	activation, room, err := cfg.Journal.ActivateWaitingRoom(ctx, g.shell.id, cfg.Owner, cfg.Limits)
	g.room = room
	g.reconciled = cfg.Clock.Now()
	return activation, err
}

func (g *gatekeeperGrain) due(now time.Time) []boxoffice.Event { return g.room.Due(now) }

// discard can only forget what was not applied.
func (g *gatekeeperGrain) discard(b *batch) bool { return b.alone || len(b.events) == 0 }

// refused learns from the rows of places that were to expire.
func (g *gatekeeperGrain) refused(refusals []boxoffice.CommitRefusal) {
	for _, refusal := range refusals {
		g.learn(refusal.Place)
	}
}

// learn takes over what the row of an admitted place says.
func (g *gatekeeperGrain) learn(row boxoffice.PlaceRow) {
	g.room.HearRow(row)
	for _, e := range g.room.Settle(g.shell.now) {
		if len(g.learned) == 0 {
			g.learnedAt = g.shell.now
		}
		g.room.Apply(e)
		g.learned = waitingroom.AppendEvents(g.learned, e)
	}
}

func (g *gatekeeperGrain) census() Census {
	status := g.room.Status(g.shell.now)
	return Census{Waiting: status.Waiting, Admitted: status.Admitted}
}

// decide takes joins, leaves and news in order, lets in whom it can, and only then
// tells everybody where they stand.
func (g *gatekeeperGrain) decide(b *batch) {
	firstNew := g.room.NextSequence()
	hurries := g.hurries(b)
	if hurries {
		g.takeLearned(b)
	}
	for i, c := range b.commands {
		switch m := c.message.(type) {
		case *messages.Join:
			b.replies[i] = g.join(b, m)
		case *messages.Leave:
			b.replies[i] = g.leave(b, m)
		case *messages.Configure:
			b.replies[i] = g.configure(b, m)
		case *messages.ReadQueue:
			b.replies[i] = func() proto.Message { return queueStatusMessage(g.room.Status(b.now)) }
		case *messages.WatchRoom:
			b.replies[i] = g.watch(m)
		case *messages.ScheduleChanged:
			g.scheduleChanged(m)
			if hurries {
				g.takeLearned(b)
			}
		case *messages.Poll: // below
		default:
			b.replies[i] = unknownMessage(m)
		}
	}
	admitted := g.room.Admit(b.now, firstNew)
	g.apply(b, admitted)
	if len(admitted) > 0 {
		g.shell.woken = true // there may be more than one batch may let in
	}
	for i, c := range b.commands {
		switch m := c.message.(type) {
		case *messages.Poll:
			b.replies[i] = g.see(b, idOf(m.GetUserId()), m.GetSequence())
		case *messages.Join:
			// Joining again is one more way to be seen.
			if sequence, _, ok := g.room.PlaceOf(idOf(m.GetUserId())); ok && sequence < firstNew {
				g.see(b, idOf(m.GetUserId()), sequence)
			}
		}
	}
	g.reconcile(b)
}

// asked tells whether anybody would notice a message that was lost: who waits for a slot, or
// who asks now. To look for one with every piece of news was a twentieth of what a sale
// costs Postgres.
func (g *gatekeeperGrain) asked(b *batch) bool {
	return g.room.Status(b.now).Waiting > 0 || slices.ContainsFunc(b.commands, func(c command) bool {
		_, news := c.message.(*messages.ScheduleChanged)
		return !news
	})
}

// learnedDelay is how long what was learned may wait for more of it.
const learnedDelay = 5 * time.Second

// hurries tells whether what was learned is to be committed with a batch. While nobody
// waits for the slots of those who have paid, there is no hurry: their rows say already
// that they have ended, and a sale out of one commit for each of them is dearer than it
// needs to be.
func (g *gatekeeperGrain) hurries(b *batch) bool {
	late := len(g.learned) > 0 && !b.now.Before(g.learnedAt.Add(learnedDelay))
	if late || g.room.Status(b.now).Waiting > 0 {
		return true
	}
	return slices.ContainsFunc(b.commands, func(c command) bool {
		switch c.message.(type) {
		case *messages.Join, *messages.Leave, *messages.Configure:
			return true
		default:
			return false
		}
	})
}

// takeLearned commits with a batch what was learned and applied before what comes next
// in it: somebody whose place has ended may join again. The time of the events is that of
// the batch, so that they are one: when a place has ended its row tells.
func (g *gatekeeperGrain) takeLearned(b *batch) {
	for _, e := range g.learned {
		e.At = b.now
		b.events = waitingroom.AppendEvents(b.events, e)
	}
	g.learned = nil
}

func (g *gatekeeperGrain) apply(b *batch, events []boxoffice.Event) {
	for _, e := range events {
		g.room.Apply(e)
	}
	b.events = waitingroom.AppendEvents(b.events, events...)
}

// join answers with the caller's place, new or not, as it stands when all is durable.
func (g *gatekeeperGrain) join(b *batch, m *messages.Join) func() proto.Message {
	userID := idOf(m.GetUserId())
	events, refusal := g.room.Decide(waitingroom.Join{UserID: userID}, b.now)
	if refusal != nil {
		return func() proto.Message { return refusalMessage(refusal) }
	}
	g.apply(b, events)
	sequence, _, _ := g.room.PlaceOf(userID)
	return g.place(b, userID, sequence, len(events) > 0)
}

// see notes that the holder of a place was seen, and answers with the place.
func (g *gatekeeperGrain) see(b *batch, userID uuid.UUID, sequence uint64) func() proto.Message {
	events, refusal := g.room.Decide(waitingroom.Touch{UserID: userID, Sequence: sequence}, b.now)
	if refusal != nil {
		return func() proto.Message { return refusalMessage(refusal) }
	}
	if len(events) > 0 {
		g.takeLearned(b)
		g.apply(b, events)
	}
	return g.place(b, userID, sequence, false)
}

func (g *gatekeeperGrain) place(b *batch, userID uuid.UUID, sequence uint64, created bool) func() proto.Message {
	return func() proto.Message {
		place, refusal := g.room.Place(userID, sequence, b.now)
		if refusal != nil {
			return refusalMessage(refusal)
		}
		return placeMessage(place, created)
	}
}

func (g *gatekeeperGrain) leave(b *batch, m *messages.Leave) func() proto.Message {
	userID, sequence := idOf(m.GetUserId()), m.GetSequence()
	place, refusal := g.room.Place(userID, sequence, b.now)
	wasWaiting := refusal == nil && place.Status == boxoffice.PlaceWaiting
	events, refusal := g.room.Decide(waitingroom.Leave{UserID: userID, Sequence: sequence}, b.now)
	if refusal != nil {
		return func() proto.Message { return refusalMessage(refusal) }
	}
	g.apply(b, events)
	return func() proto.Message { return &messages.Left{WasWaiting: wasWaiting} }
}

func (g *gatekeeperGrain) configure(b *batch, m *messages.Configure) func() proto.Message {
	events, refusal := g.room.Decide(configureOf(m), b.now)
	if refusal != nil {
		return func() proto.Message { return refusalMessage(refusal) }
	}
	g.apply(b, events)
	return func() proto.Message { return queueStatusMessage(g.room.Status(b.now)) }
}

// scheduleChanged takes over what the schedule of this waiting room has decided.
func (g *gatekeeperGrain) scheduleChanged(m *messages.ScheduleChanged) {
	g.room.Hear(boxoffice.ScheduleNews{
		After:          min(m.GetVersion(), g.room.KnownVersion()),
		Version:        m.GetVersion(),
		AvailableSeats: int(m.GetAvailableSeats()),
		SoldOut:        m.GetSoldOut(),
	})
	for _, change := range m.GetPlaces() {
		row := boxoffice.PlaceRow{
			Sequence:  change.GetSequence(),
			Status:    boxoffice.PlaceAdmitted,
			HeldUntil: timeOf(change.GetHeldUntil()),
		}
		if change.GetCompleted() {
			row.Status = boxoffice.PlaceCompleted
		}
		g.learn(row)
	}
}

// reconcile asks for the rows of the admitted, from time to time: a message about one that
// has ended may have been lost.
func (g *gatekeeperGrain) reconcile(b *batch) {
	if b.now.Before(g.reconciled.Add(g.shell.cfg.ReconcileEvery)) || g.room.Status(b.now).Admitted == 0 || !g.asked(b) {
		return
	}
	g.reconciled = b.now
	sequences := g.room.AdmittedSequences()
	g.shell.beside(func(ctx context.Context) any {
		rows, err := g.shell.cfg.Rows.PlaceRows(ctx, g.shell.id, sequences)
		if err != nil {
			g.shell.cfg.Logger.Warn("gatekeeper could not read its places", "id", g.shell.id, "error", err)
			return nil
		}
		return func() { g.reconcileWith(rows) }
	})
}

// reconcileWith takes over rows that were read a moment ago. Between the reading and
// now a place may have been held or completed, never the other way: what a row says of
// an end is final, and a hold that it does not know is found out before the place
// expires. Nobody but this grain lets places expire or leave: a row that says so was
// written by a commit whose result is on its way here.
func (g *gatekeeperGrain) reconcileWith(rows []boxoffice.PlaceRow) {
	for _, row := range rows {
		if row.Status == boxoffice.PlaceCompleted {
			g.learn(row)
		}
	}
	g.shell.woken = true
	g.shell.next()
}

// snapshot is small and goes with every commit: the places are rows.
func (g *gatekeeperGrain) snapshot(*batch) ([]byte, error) { return g.room.Snapshot() }

// committed applies what could have been refused; everything else is applied already.
func (g *gatekeeperGrain) committed(b *batch) {
	for _, e := range b.events {
		if b.alone {
			g.room.Apply(e)
		}
		if _, ok := e.Data.(waitingroom.Admitted); ok {
			g.rouse(b.now)
		}
	}
}

// rouseEvery is how often those who are let in wake the schedule at most. It stays in
// memory for longer than that.
const rouseEvery = time.Minute

// rouse wakes the schedule whose seats those who were let in will look at, so that the
// first of them need not wait until it is restored.
func (g *gatekeeperGrain) rouse(now time.Time) {
	if now.Before(g.roused.Add(rouseEvery)) {
		return
	}
	g.roused = now
	g.shell.cfg.Notifier.Notify(string(boxoffice.KindSchedule), g.shell.id, &messages.Wake{})
}

// nextWake is when time makes something due; while people wait for slots it is also
// when the rows are to be looked at again.
func (g *gatekeeperGrain) nextWake(now time.Time) time.Time {
	next := g.room.NextWake(now)
	if status := g.room.Status(now); status.Admitted > 0 && status.Waiting > 0 {
		if at := g.reconciled.Add(g.shell.cfg.ReconcileEvery); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if at := g.learnedAt.Add(learnedDelay); len(g.learned) > 0 && (next.IsZero() || at.Before(next)) {
		next = at
	}
	return next
}
