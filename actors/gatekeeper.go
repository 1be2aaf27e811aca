package actors

import (
	"context"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/waitingroom"
)

// gatekeeperGrain owns the waiting room of one schedule. The room is too large to copy, so
// a batch is decided on the room itself, which can roll it back.
type gatekeeperGrain struct {
	cfg     *Config
	id      int64
	room    *waitingroom.Room
	pending *batch           // decided, neither kept nor rolled back
	shown   waitingroom.View // as of the last batch that was kept
	told    waitingroom.View // what replicas know
	roused  time.Time        // when the schedule was last woken
	// The schedule's journal was last looked at, or is being, by then; nobody has come back
	// from that yet; and something was missing that was told meanwhile.
	looked  time.Time
	looking bool
	missed  bool
}

func (g *gatekeeperGrain) load(ctx context.Context) (boxoffice.Activation, error) {
	activation, room, news, err := g.cfg.Journal.ActivateWaitingRoom(ctx, g.id, g.cfg.Owner, g.cfg.Limits)
	if err != nil {
		return activation, err
	}
	g.room = room
	g.room.Hear(news)
	g.shown = g.room.View()
	g.looked = g.cfg.Clock.Now()
	return activation, nil
}

// activated returns no effects: what the room decides reaches the schedule through rows.
func (g *gatekeeperGrain) activated(int64, time.Time) effects { return effects{} }

// hear takes in what the schedule of this waiting room has decided. If something is missing
// before it, the schedule's journal is read.
func (g *gatekeeperGrain) hear(m proto.Message, now time.Time) (effects, bool) {
	news, ok := m.(*messages.ScheduleNews)
	if !ok {
		return effects{}, false
	}
	missed := !g.room.Hear(newsOf(news))
	switch {
	case news.GetLookedUp():
		missed, g.missed, g.looking = g.missed, false, false
	case missed && g.looking:
		missed, g.missed = false, true
	}
	if missed {
		return g.lookUp(now), true
	}
	return effects{}, true
}

// lookUpTimeout bounds a look at the schedule's journal. Another one begins then if nobody
// came back from it.
const lookUpTimeout = 2 * time.Second

// lookUp reads from the schedule's journal what the room does not know.
func (g *gatekeeperGrain) lookUp(now time.Time) effects {
	g.looked, g.looking = now, true
	known := g.room.KnownVersion()
	return effects{lookUp: func(ctx context.Context) (proto.Message, error) {
		ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
		defer cancel()
		news, err := g.cfg.Rows.ScheduleNews(ctx, g.id, known)
		if err != nil {
			return nil, err
		}
		m := newsMessage(news)
		m.LookedUp = true
		return m, nil
	}}
}

func (g *gatekeeperGrain) read(m proto.Message, now time.Time) (proto.Message, bool) {
	switch m := m.(type) {
	case *messages.ReadQueue:
		return queueStatusMessage(g.view().Status(now)), true
	case *messages.Poll:
		place, refusal, ok := g.room.Shown(idOf(m.GetUserId()), m.GetSequence(), now)
		if !ok {
			return nil, false
		}
		if refusal != nil {
			return refusalMessage(refusal), true
		}
		place.Waiting = g.view().Waiting
		return placeMessage(place, false), true
	default:
		return nil, false
	}
}

// view returns what the room shows without the pending batch. What it knows of the seats is
// never part of a batch.
func (g *gatekeeperGrain) view() *waitingroom.View {
	if g.pending == nil {
		g.shown = g.room.View()
	}
	known := g.room.View()
	g.shown.AvailableSeats, g.shown.SoldOut = known.AvailableSeats, known.SoldOut
	return &g.shown
}

func (g *gatekeeperGrain) census(now time.Time) Census {
	status := g.view().Status(now)
	return Census{Waiting: status.Waiting, Admitted: status.Admitted}
}

// decide applies joins, leaves and settings in order, lets in as many as it can, and only
// then answers everybody.
func (g *gatekeeperGrain) decide(b *batch) {
	g.room.Begin()
	g.pending = b
	firstNew := g.room.NextSequence()
	wake := g.room.NextWake(b.now)
	if !b.unwritten && (len(b.commands) > 0 || !wake.IsZero() && !wake.After(b.now)) {
		g.apply(b, g.room.Settle(b.now))
		g.apply(b, g.room.Due(b.now))
	}
	for i, c := range b.commands {
		switch m := c.message.(type) {
		case *messages.Join:
			b.replies[i] = g.join(b, m)
		case *messages.Leave:
			b.replies[i] = g.leave(b, m)
		case *messages.Configure:
			b.replies[i] = g.configure(b, m)
		case *messages.Poll: // below
		default:
			b.replies[i] = unknownMessage(m)
		}
	}
	if !b.unwritten {
		g.apply(b, g.room.Admit(b.now, firstNew))
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
}

func (g *gatekeeperGrain) apply(b *batch, events []boxoffice.Event) {
	for _, e := range events {
		g.room.Apply(e)
	}
	b.events = waitingroom.AppendEvents(b.events, events...)
}

// join answers with the caller's place, new or not, as of when the batch is durable.
func (g *gatekeeperGrain) join(b *batch, m *messages.Join) reply {
	userID, operationID := idOf(m.GetUserId()), idOf(m.GetOperationId())
	events, refusal := g.room.Decide(waitingroom.Join{OperationID: operationID, UserID: userID}, b.now)
	if refusal != nil {
		return refuse(refusal)
	}
	g.apply(b, events)
	sequence, by, _ := g.room.PlaceOf(userID)
	return g.place(b, userID, sequence, len(events) > 0 || by == operationID && by != uuid.Nil)
}

// see notes that the holder of a place was seen, and answers with the place.
func (g *gatekeeperGrain) see(b *batch, userID uuid.UUID, sequence uint64) reply {
	events, refusal := g.room.Decide(waitingroom.Touch{UserID: userID, Sequence: sequence}, b.now)
	if refusal != nil {
		return refuse(refusal)
	}
	g.apply(b, events)
	return g.place(b, userID, sequence, false)
}

func (g *gatekeeperGrain) place(b *batch, userID uuid.UUID, sequence uint64, created bool) reply {
	return func(boxoffice.CommitResult) proto.Message {
		place, refusal := g.room.Place(userID, sequence, b.now)
		if refusal != nil {
			return refusalMessage(refusal)
		}
		return placeMessage(place, created)
	}
}

func (g *gatekeeperGrain) leave(b *batch, m *messages.Leave) reply {
	userID, sequence := idOf(m.GetUserId()), m.GetSequence()
	left := &messages.Left{}
	if place, refusal := g.room.Place(userID, sequence, b.now); refusal == nil {
		left.WasWaiting = place.Status == boxoffice.PlaceWaiting
		left.EndsAt = millis(place.AdmissionEndsAt)
	}
	events, refusal := g.room.Decide(waitingroom.Leave{UserID: userID, Sequence: sequence}, b.now)
	if refusal != nil {
		return refuse(refusal)
	}
	g.apply(b, events)
	return func(boxoffice.CommitResult) proto.Message { return left }
}

func (g *gatekeeperGrain) configure(b *batch, m *messages.Configure) reply {
	events, refusal := g.room.Decide(configureOf(m), b.now)
	if refusal != nil {
		return refuse(refusal)
	}
	g.apply(b, events)
	return func(boxoffice.CommitResult) proto.Message { return queueStatusMessage(g.room.Status(b.now)) }
}

// rouseEvery is the shortest time between two wakes of the schedule for admitted users. The
// schedule stays in memory for longer than that.
const rouseEvery = time.Minute

// keep wakes the schedule whose seats the newly admitted will look at, so that the first of
// them need not wait until it is restored, and reads its journal now and then, for messages
// that were lost.
func (g *gatekeeperGrain) keep(b *batch, _, _ int64) effects {
	if g.pending != nil {
		g.pending = nil
		g.room.Keep(g.cfg.Clock.Now())
	}
	var e effects
	if at := g.nextLook(); !at.IsZero() && !b.now.Before(at) {
		e = g.lookUp(b.now)
	}
	for _, event := range b.events {
		if _, ok := event.Data.(waitingroom.Admitted); !ok {
			continue
		}
		e.again = true // more may be admissible than one batch may admit
		if !b.now.Before(g.roused.Add(rouseEvery)) {
			g.roused = b.now
			e.tell = &messages.Wake{}
		}
	}
	return e
}

func (g *gatekeeperGrain) rollback(*batch) {
	if g.pending != nil {
		g.pending = nil
		g.room.Rollback()
	}
}

func (g *gatekeeperGrain) refused(refusal boxoffice.CommitRefusal) { g.room.HearRow(refusal.Place) }

// snapshot is small and goes with every commit: the places are rows.
func (g *gatekeeperGrain) snapshot() ([]byte, error) { return g.room.Snapshot() }

// nextLook is when the schedule's journal is to be looked at again: where a look has failed,
// and where somebody would notice news that were lost, who waits for a slot or for a seat.
// Zero: it need not be.
func (g *gatekeeperGrain) nextLook() time.Time {
	view := g.view()
	switch {
	case g.looking:
		return g.looked.Add(lookUpTimeout)
	case view.SoldOut, view.Waiting > 0 && view.Admitted > 0:
		return g.looked.Add(g.cfg.ReconcileEvery)
	}
	return time.Time{}
}

// nextWake is when time makes something due, or the schedule's journal is to be looked at.
func (g *gatekeeperGrain) nextWake(now time.Time) time.Time {
	next := g.room.NextWake(now)
	if at := g.nextLook(); !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	return next
}
