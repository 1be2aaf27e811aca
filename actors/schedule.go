package actors

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
)

// maxAdmissionTTL is the longest admission that the settings allow. A place that was left
// with a token that does not say when its admission ends is refused for that long.
const maxAdmissionTTL = 24 * time.Hour

// scheduleGrain owns the 50 seats of one schedule. A batch is decided on a copy of them,
// which replaces them when the batch is durable.
type scheduleGrain struct {
	cfg   *Config
	id    int64
	seats *seatmap.Seats // durable
	draft *seatmap.Seats // with the pending batch; the same until an event
	// ended are places whose rows had ended when the grain was activated.
	ended []boxoffice.EndedPlace
}

func (g *scheduleGrain) load(ctx context.Context) (boxoffice.Activation, error) {
	activation, seats, ended, err := g.cfg.Journal.ActivateSchedule(ctx, g.id, g.cfg.Owner)
	g.seats, g.draft, g.ended = seats, seats, ended
	return activation, err
}

func (g *scheduleGrain) activated(version int64, now time.Time) effects {
	return effects{tell: newsMessage(g.seats.News(version, now))}
}

func (g *scheduleGrain) hear(proto.Message, time.Time) (effects, bool) { return effects{}, false }

func (g *scheduleGrain) read(m proto.Message, now time.Time) (proto.Message, bool) {
	read, ok := m.(*messages.ReadSeats)
	if !ok {
		return nil, false
	}
	seats := g.seats.While(g.draft, now)
	if a := read.GetAdmission(); a != nil {
		if refusal := seats.CheckAdmission(admissionOf(a), now); refusal != nil {
			return refusalMessage(refusal), true
		}
	}
	return seatMapMessage(seats.SeatMap(now)), true
}

func (g *scheduleGrain) watch(mark *messages.Mark) (proto.Message, error) {
	return seatsStateMessage(g.seats.View(), mark), nil
}

func (g *scheduleGrain) nextWake(time.Time) time.Time { return g.seats.NextDue() }

func (g *scheduleGrain) census(now time.Time) Census { return Census{Holds: g.seats.Held(now)} }

func (g *scheduleGrain) snapshot() ([]byte, error) { return g.draft.Snapshot() }

func (g *scheduleGrain) decide(b *batch) {
	if !b.unwritten {
		g.apply(b, g.draft.Due(b.now))
		g.apply(b, g.draft.NotePlaces(g.ended, b.now))
	}
	keys := keysOf(b)
	for i, c := range b.commands {
		cmd := commandOf(c.message)
		if cmd == nil {
			b.replies[i] = unknownMessage(c.message)
			continue
		}
		switch c := cmd.(type) {
		case seatmap.Hold:
			c.TTL = g.cfg.HoldTTL
			cmd = c
		case seatmap.EndPlace:
			if c.EndsAt.IsZero() {
				c.EndsAt = b.now.Add(maxAdmissionTTL)
			}
			cmd = c
		}
		outcome := keys.answer(cmd.Op(), func(refusal *boxoffice.CommitRefusal) boxoffice.Outcome {
			events, outcome := g.draft.Decide(cmd, b.now)
			if refusal != nil && outcome.Refusal == nil {
				outcome = overruled(*refusal, outcome)
				events = g.placeEnded(cmd, *refusal, b.now)
			}
			g.apply(b, events)
			return outcome
		})
		b.replies[i] = func(result boxoffice.CommitResult) proto.Message {
			return outcomeMessage(settled(outcome, result))
		}
	}
}

// apply appends events to the batch and applies them to the draft.
func (g *scheduleGrain) apply(b *batch, events []boxoffice.Event) {
	if len(events) > 0 && g.draft == g.seats {
		g.draft = g.seats.Clone()
	}
	for _, e := range events {
		g.draft.Apply(e)
	}
	b.events = append(b.events, events...)
}

// placeEnded returns what to remember of a place that has ended according to its row.
func (g *scheduleGrain) placeEnded(cmd seatmap.Command, refusal boxoffice.CommitRefusal, now time.Time) []boxoffice.Event {
	hold, ok := cmd.(seatmap.Hold)
	if !ok || refusal.Reason != boxoffice.RefusedPlace {
		return nil
	}
	return g.draft.NotePlaces([]boxoffice.EndedPlace{{Sequence: hold.Sequence, EndsAt: hold.EndsAt}}, now)
}

// errRepeated is told to a call that was sent again for so long that what it did is over.
// Nothing is known of that here; with a key, whoever asks again is told.
var errRepeated = errors.New("the hold was made, and has ended since")

// overruled returns the outcome of an operation that the journal refused because of its
// rows. Decided is what the seats alone would have answered.
func overruled(refusal boxoffice.CommitRefusal, decided boxoffice.Outcome) boxoffice.Outcome {
	at := decided.At
	switch refusal.Reason {
	case boxoffice.RefusedPoints:
		e := boxoffice.Errorf(boxoffice.CodeInsufficientPoints,
			"the seat costs %d points and the account has %d", decided.Payment.Amount, refusal.Balance)
		e.Balance, e.Amount = refusal.Balance, decided.Payment.Amount
		return boxoffice.Outcome{At: at, Refusal: e}
	case boxoffice.RefusedPlace:
		return boxoffice.Outcome{At: at, Refusal: boxoffice.PlaceEnded()}
	case boxoffice.RefusedRepeated:
		return boxoffice.Outcome{At: at, Refusal: boxoffice.Unavailable(errRepeated)}
	default:
		return boxoffice.Outcome{At: at, Refusal: boxoffice.Errorf(boxoffice.CodeInternal, "unexpected refusal")}
	}
}

// settled returns the outcome with the balance, which only the commit knows. What an earlier
// commit has answered keeps its own.
func settled(o boxoffice.Outcome, result boxoffice.CommitResult) boxoffice.Outcome {
	if o.Payment == nil {
		return o
	}
	told := boxoffice.Movement{ID: o.Payment.ID, Refund: o.Payment.Status == boxoffice.PaymentCancelled}
	if balance, ok := result.Balances[told]; ok {
		payment := *o.Payment
		payment.Balance = balance
		o.Payment = &payment
	}
	return o
}

func (g *scheduleGrain) keep(b *batch, from, to int64) effects {
	g.seats, g.ended = g.draft, nil
	g.seats.Keep()
	if len(b.events) == 0 {
		return effects{}
	}
	return effects{tell: newsMessage(g.seats.NewsOf(b.events, from, to, b.now))}
}

func (g *scheduleGrain) rollback(*batch) { g.draft = g.seats }

// refused does nothing: the journal cannot refuse the expiry of a hold.
func (g *scheduleGrain) refused(boxoffice.CommitRefusal) {}

func (g *scheduleGrain) change(b *batch) *messages.Change {
	updates, ended := seatmap.ChangesOf(b.events)
	if len(updates) == 0 && len(ended) == 0 {
		return nil
	}
	return seatsChangeMessage(updates, ended)
}
