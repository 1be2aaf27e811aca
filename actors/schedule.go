package actors

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"

	"boxoffice/seatmap"
)

// scheduleGrain owns the 50 seats of one schedule.
type scheduleGrain struct {
	shell *shell
	state *seatmap.Seats // durable
	draft *seatmap.Seats // after the batch that is being decided; the same until an event
	// ended are the places that the batch that is being decided ends without an event.
	ended []uint64
}

func (g *scheduleGrain) load(ctx context.Context) (boxoffice.Activation, error) {
	activation, state, ended, err := g.shell.cfg.Journal.ActivateSchedule(ctx, g.shell.id, g.shell.cfg.Owner)
	for _, place := range ended {
		state.BarPlaces([]uint64{place.Sequence})
	}
	g.state, g.draft = state, state
	return activation, err
}

// due has nothing to say: the journal cannot refuse the expiry of a hold.
func (g *scheduleGrain) due(time.Time) []boxoffice.Event { return nil }

// discard goes back to the durable seats.
func (g *scheduleGrain) discard(*batch) bool {
	g.draft = g.state
	return true
}

func (g *scheduleGrain) refused([]boxoffice.CommitRefusal) {}

func (g *scheduleGrain) nextWake(time.Time) time.Time { return g.state.NextWake() }

func (g *scheduleGrain) census() Census {
	return Census{Holds: g.state.Held(g.shell.now)}
}

// decide decides a batch on a copy of the seats, which replaces them when the batch is
// durable.
func (g *scheduleGrain) decide(b *batch) {
	g.draft, g.ended = g.state, nil
	g.apply(b, g.draft.Expire(b.now))
	keys := make(map[boxoffice.IdempotencyKey]keyUse)
	for i, c := range b.commands {
		switch m := c.message.(type) {
		case *messages.ReadSeats:
			b.replies[i] = g.readSeats(m, b.now)
		case *messages.WatchSeats:
			b.replies[i] = func() proto.Message {
				return seatsStateMessage(g.state.View(), g.shell.watch(m.GetWatcher()))
			}
		case *messages.EndPlace:
			cmd := seatmap.EndPlace{
				Operation: operationOf(m.GetOperation()),
				UserID:    idOf(m.GetUserId()),
				Sequence:  m.GetSequence(),
			}
			outcome := g.operate(b, keys, cmd, cmd.Operation)
			g.bar(cmd.Sequence)
			b.replies[i] = func() proto.Message { return outcomeMessage(outcome) }
		default:
			cmd, operation := g.command(m)
			if cmd == nil {
				b.replies[i] = unknownMessage(m)
				continue
			}
			outcome := g.operate(b, keys, cmd, operation)
			b.replies[i] = func() proto.Message { return outcomeMessage(settle(outcome, b)) }
		}
	}
}

// command reads a message that a schedule decides on; nil if it is none.
func (g *scheduleGrain) command(m proto.Message) (seatmap.Command, boxoffice.Operation) {
	switch m := m.(type) {
	case *messages.Hold:
		cmd := seatmap.Hold{
			Operation:     operationOf(m.GetOperation()),
			Admission:     admissionOf(m.GetAdmission()),
			ReservationID: idOf(m.GetReservationId()),
			SeatNumber:    int(m.GetSeatNumber()),
			TTL:           g.shell.cfg.HoldTTL,
		}
		return cmd, cmd.Operation
	case *messages.Release:
		cmd := seatmap.Release{
			Operation:     operationOf(m.GetOperation()),
			ReservationID: idOf(m.GetReservationId()),
			UserID:        idOf(m.GetUserId()),
		}
		return cmd, cmd.Operation
	case *messages.Pay:
		cmd := seatmap.Pay{
			Operation:     operationOf(m.GetOperation()),
			PaymentID:     idOf(m.GetPaymentId()),
			ReservationID: idOf(m.GetReservationId()),
			UserID:        idOf(m.GetUserId()),
		}
		return cmd, cmd.Operation
	case *messages.CancelSale:
		cmd := seatmap.Cancel{
			Operation: operationOf(m.GetOperation()),
			PaymentID: idOf(m.GetPaymentId()),
			UserID:    idOf(m.GetUserId()),
		}
		return cmd, cmd.Operation
	default:
		return nil, boxoffice.Operation{}
	}
}

// keyUse is who used an idempotency key first, as far as a batch knows: an operation of
// this batch, whose answer it gives, or one that the journal found, and told of when it
// refused an operation of this batch with this digest.
type keyUse struct {
	digest  [32]byte
	answer  boxoffice.Answer
	refusal *boxoffice.CommitRefusal
}

// operate decides one operation: the journal's refusal of it, the answer that another
// request with its key got, or what the seats say. Keys are known by their scope, without
// a digest.
func (g *scheduleGrain) operate(b *batch, keys map[boxoffice.IdempotencyKey]keyUse,
	cmd seatmap.Command, operation boxoffice.Operation,
) boxoffice.Outcome {
	keyed := !operation.Key.IsZero()
	scope := operation.Key
	scope.Digest = [32]byte{}
	refusal, refused := b.refusals[operation.ID]
	if refused && refusal.Reason == boxoffice.RefusedKey {
		keys[scope] = keyUse{digest: operation.Key.Digest, refusal: new(refusal)}
		return storedOutcome(refusal, operation, b.now)
	}
	if first, ok := keys[scope]; keyed && ok {
		if outcome, known := first.outcome(operation, b.now); known {
			return outcome
		}
	}
	events, outcome := g.draft.Decide(cmd, b.now)
	if refused {
		events, outcome = nil, g.overrule(refusal, cmd, outcome)
	}
	g.apply(b, events)
	if keyed && outcome.Storable() {
		answer := boxoffice.Answer{OperationID: operation.ID, Key: operation.Key, Outcome: outcome}
		keys[scope] = keyUse{digest: operation.Key.Digest, answer: answer}
		b.answers = append(b.answers, answer)
	}
	return outcome
}

// outcome is what a later operation with the key is told; false if only the journal knows
// whether it is the request that the key belongs to.
func (u keyUse) outcome(operation boxoffice.Operation, now time.Time) (boxoffice.Outcome, bool) {
	switch same := u.digest == operation.Key.Digest; {
	case u.refusal == nil:
		return repeated(u.answer, operation, now), true
	case same:
		return storedOutcome(*u.refusal, operation, now), true
	case u.refusal.SameRequest:
		return boxoffice.Outcome{At: now, Refusal: keyReused()}, true
	default:
		return boxoffice.Outcome{}, false
	}
}

// overrule gives the outcome of an operation that the journal refused for what its rows
// say. Decided is what the seats alone would have answered.
func (g *scheduleGrain) overrule(refusal boxoffice.CommitRefusal, cmd seatmap.Command, decided boxoffice.Outcome) boxoffice.Outcome {
	if decided.Refusal != nil {
		return decided // it came to nothing anyway
	}
	at := decided.At
	switch refusal.Reason {
	case boxoffice.RefusedPoints:
		e := boxoffice.Errorf(boxoffice.CodeInsufficientPoints,
			"the seat costs %d points and the account has %d", decided.Payment.Amount, refusal.Balance)
		e.Balance, e.Amount = refusal.Balance, decided.Payment.Amount
		return boxoffice.Outcome{At: at, Refusal: e}
	case boxoffice.RefusedPlace:
		if hold, ok := cmd.(seatmap.Hold); ok {
			g.bar(hold.Sequence)
		}
		return boxoffice.Outcome{At: at, Refusal: boxoffice.Errorf(boxoffice.CodeQueueTokenExpired,
			"this place in line has ended")}
	default:
		return boxoffice.Outcome{At: at, Refusal: boxoffice.Errorf(boxoffice.CodeInternal, "unexpected refusal")}
	}
}

// storedOutcome tells again what an earlier request with the same key was told. Where
// that request is this very operation, sent twice by the cluster, it is the first
// answer.
func storedOutcome(refusal boxoffice.CommitRefusal, operation boxoffice.Operation, now time.Time) boxoffice.Outcome {
	if !refusal.SameRequest {
		return boxoffice.Outcome{At: now, Refusal: keyReused()}
	}
	outcome := refusal.Stored
	outcome.Replayed = refusal.StoredID != operation.ID
	return outcome
}

// repeated answers a second request with the key of an operation of the same batch.
func repeated(first boxoffice.Answer, operation boxoffice.Operation, now time.Time) boxoffice.Outcome {
	if first.Key.Digest != operation.Key.Digest {
		return boxoffice.Outcome{At: now, Refusal: keyReused()}
	}
	outcome := first.Outcome
	outcome.Replayed = first.OperationID != operation.ID
	return outcome
}

func keyReused() *boxoffice.Error {
	return boxoffice.Errorf(boxoffice.CodeIdempotencyKeyReused, "this idempotency key was used for another request")
}

// settle fills in the balance that only the commit could tell.
func settle(o boxoffice.Outcome, b *batch) boxoffice.Outcome {
	if o.Payment == nil {
		return o
	}
	if balance, ok := b.result.Balances[o.Payment.ID]; ok {
		payment := *o.Payment
		payment.Balance = balance
		o.Payment = &payment
	}
	return o
}

// apply appends events to the batch and changes the draft by them.
func (g *scheduleGrain) apply(b *batch, events []boxoffice.Event) {
	for _, e := range events {
		g.change().Apply(e)
	}
	b.events = append(b.events, events...)
}

// bar makes the guard refuse a place from now on.
func (g *scheduleGrain) bar(sequence uint64) {
	g.change().BarPlaces([]uint64{sequence})
	g.ended = append(g.ended, sequence)
}

// change gives a draft that may be changed.
func (g *scheduleGrain) change() *seatmap.Seats {
	if g.draft == g.state {
		g.draft = g.state.Clone()
	}
	return g.draft
}

func (g *scheduleGrain) readSeats(m *messages.ReadSeats, now time.Time) func() proto.Message {
	if a := m.GetAdmission(); a != nil {
		if refusal := g.draft.CheckAdmission(admissionOf(a), now); refusal != nil {
			return func() proto.Message { return refusalMessage(refusal) }
		}
	}
	seats := g.draft.SeatMap(now)
	return func() proto.Message { return seatMapMessage(&seats) }
}

func (g *scheduleGrain) snapshot(b *batch) ([]byte, error) {
	after := g.shell.state.Version + int64(len(b.events))
	if !b.last && after-g.shell.state.SnapshotVersion < snapshotInterval {
		return nil, nil
	}
	return g.draft.Snapshot()
}

// committed makes the draft the state, and tells the gatekeeper what changed.
func (g *scheduleGrain) committed(b *batch) {
	g.state = g.draft
	changed := &messages.ScheduleChanged{}
	for _, e := range b.events {
		switch d := e.Data.(type) {
		case seatmap.Held:
			changed.Places = append(changed.Places, &messages.PlaceChange{Sequence: d.Sequence, HeldUntil: millis(d.ExpiresAt)})
		case seatmap.Released:
			changed.Places = append(changed.Places, &messages.PlaceChange{Sequence: d.Sequence})
		case seatmap.Expired:
			changed.Places = append(changed.Places, &messages.PlaceChange{Sequence: d.Sequence})
		case seatmap.Confirmed:
			changed.Places = append(changed.Places, &messages.PlaceChange{Sequence: d.Sequence, Completed: true})
		}
	}
	if len(b.events) == 0 {
		return
	}
	changed.Version = g.shell.state.Version
	changed.AvailableSeats = int32(g.state.Available(b.now))
	changed.SoldOut = g.state.SoldOut()
	g.shell.cfg.Notifier.Notify(string(boxoffice.KindGatekeeper), g.shell.id, changed)
}

// shown tells what b did to seats, and which places have ended.
func (g *scheduleGrain) shown(b *batch) *messages.Change {
	change := &messages.SeatsChange{Ended: g.ended}
	for _, e := range b.events {
		if update, ok := seatmap.UpdateOf(e); ok {
			change.Updates = append(change.Updates, seatUpdateMessage(update))
		}
	}
	if len(change.GetUpdates()) == 0 && len(change.GetEnded()) == 0 {
		return nil
	}
	return &messages.Change{Of: &messages.Change_Seats{Seats: change}}
}

// unknownMessage answers a message that this grain has no ear for.
func unknownMessage(m proto.Message) func() proto.Message {
	return func() proto.Message {
		return refusalMessage(boxoffice.Errorf(boxoffice.CodeInternal, "unexpected message %T", m))
	}
}
