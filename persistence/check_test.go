package persistence_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/waitingroom"
)

// Each damage must be found by an invariant. The safeguards that would not let it happen
// are taken away first.
func TestCheckFindsDamage(t *testing.T) {
	t.Parallel()
	for invariant, damage := range map[string]string{
		"every ledger transaction sums to zero": `
			ALTER TABLE ledger_entries DISABLE TRIGGER ALL;
			UPDATE ledger_entries SET amount = amount - 1 WHERE account = 'charges'`,
		"a balance is the sum of its entries, and never negative": `
			UPDATE accounts SET balance = balance + 1 WHERE balance > 0`,
		"entries follow each other without gaps, each with the balance after it": `
			ALTER TABLE ledger_entries DISABLE TRIGGER ALL;
			UPDATE ledger_entries SET balance_after = balance_after + 1 WHERE account = 'user' AND type = 'payment'`,
		"a seat has one owner": `
			DROP INDEX reservations_live_seat;
			INSERT INTO reservations SELECT gen_random_uuid(), schedule_id, seat_number, gen_random_uuid(), status, price,
				created_at, expires_at, ended_at FROM reservations WHERE status = 'held'`,
		"a user has one seat of a schedule": `
			DROP INDEX reservations_live_user;
			INSERT INTO reservations SELECT gen_random_uuid(), schedule_id, 40, user_id, status, price,
				created_at, expires_at, ended_at FROM reservations WHERE status = 'held'`,
		"what was paid and not refunded is the price of what is confirmed, and nothing else": `
			UPDATE reservations SET price = price + 1 WHERE status = 'confirmed'`,
		"an operation has one effect": `
			ALTER TABLE events DISABLE TRIGGER ALL;
			UPDATE events SET operation_id = '018f0000-0000-7000-8000-000000000000' WHERE type = 'seat-held'`,
		"the effect that a stored answer tells of is there": `
			UPDATE idempotency_keys SET outcome =
				jsonb_set(outcome::jsonb, '{payment,id}', '"018f0000-0000-7000-8000-000000000000"')::json
			WHERE outcome -> 'payment' IS NOT NULL`,
		"a payment is of a reservation and an account, and an entry of what it names": `
			UPDATE payments SET reservation_id = gen_random_uuid()`,
		"events have no gaps, and epochs never go down": `
			ALTER TABLE events DISABLE TRIGGER ALL;
			UPDATE events SET epoch = 0 WHERE kind = 'schedule' AND version = 3`,
		"a grain is at its last event": `
			UPDATE grains SET epoch = 0 WHERE kind = 'gatekeeper'`,
		"a payment ends the buyer's place": `
			UPDATE queue_places SET status = 'admitted', ended_at = NULL WHERE status = 'completed'`,
		"a place is held for as long as its user's seat": `
			UPDATE queue_places SET held_until = held_until + interval '1 second' WHERE held_until IS NOT NULL`,
		"a snapshot is what its events make": `
			UPDATE grains SET snapshot = '{}' WHERE kind = 'schedule'`,
		"reservations are what the events make": `
			UPDATE reservations SET expires_at = expires_at + interval '1 second' WHERE status = 'held'`,
		"places are what the events make": `
			UPDATE queue_places SET claimed = NOT claimed WHERE status = 'admitted'`,
		"places are let in first come first served, once, up to the capacity": `
			ALTER TABLE events DISABLE TRIGGER ALL;
			UPDATE events SET data = jsonb_set(data::jsonb, '{sequences}', '[1, 1]')::json WHERE type = 'places-admitted'`,
	} {
		t.Run(invariant, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			one, two, id := f.user(1000), f.user(1000), f.schedule(300)
			a := f.room(id).admit(one, two)
			s := f.seller(id)
			bought := hold(a[0], 1)
			s.do(bought, pay(bought, "k"))
			s.save()
			s.do(hold(a[1], 2))
			f.sound()

			f.exec(damage)
			violations, err := f.db.Check(f.ctx)
			require.NoError(t, err)
			var found []string
			for _, v := range violations {
				require.NotEmpty(t, v.Detail)
				found = append(found, v.Invariant)
			}
			require.Contains(t, found, invariant)
		})
	}
}

func TestCheckFindsTooManyAdmitted(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.schedule(0)
	r := f.room(id)
	r.admit(f.user(0), f.user(0))
	one := 1
	events, refusal := r.Decide(boxoffice.Configure{Capacity: &one}, f.now)
	require.Nil(t, refusal)
	r.apply(events...)
	f.sound() // a capacity that is lowered expels nobody
	f.exec(`
		ALTER TABLE events DISABLE TRIGGER ALL;
		UPDATE events SET data = jsonb_set(data::jsonb, '{capacity}', '1')::json WHERE type = 'queue-opened'`)
	violations, err := f.db.Check(f.ctx)
	require.NoError(t, err)
	require.NotEmpty(t, violations)
}

// Place 1 was bought and the room has not heard of it, 2 has left, 3 is admitted, 4 waits.
func TestCheckComparesPlacesWithTheirEvents(t *testing.T) {
	t.Parallel()
	const invariant = "places are what the events make"
	f := setup(t)
	id := f.schedule(300)
	r, s := f.room(id), f.seller(id)
	a := r.admit(f.user(1000), f.user(0), f.user(0))
	held := hold(a[0], 1)
	s.do(held, pay(held, "k"))
	left, refusal := r.Decide(waitingroom.Leave{UserID: a[1].UserID, Sequence: 2}, f.now)
	require.Nil(t, refusal)
	joined, refusal := r.Decide(waitingroom.Join{OperationID: newID(), UserID: f.user(0)}, f.now)
	require.Nil(t, refusal)
	r.apply(append(left, joined...)...)
	f.sound()

	for name, damage := range map[string]string{
		"user":            "UPDATE queue_places SET user_id = gen_random_uuid() WHERE sequence = 4",
		"operation":       "UPDATE queue_places SET operation_id = NULL WHERE sequence = 4",
		"status":          "UPDATE queue_places SET status = 'waiting', claimed = false, admitted_at = NULL, ends_at = NULL WHERE sequence = 3",
		"joined":          "UPDATE queue_places SET joined_at = joined_at - interval '1 ms' WHERE sequence = 4",
		"admitted":        "UPDATE queue_places SET admitted_at = admitted_at - interval '1 ms' WHERE sequence = 3",
		"end":             "UPDATE queue_places SET ends_at = ends_at + interval '1 ms' WHERE sequence = 3",
		"claim":           "UPDATE queue_places SET claimed = false WHERE sequence = 3",
		"lost":            "DELETE FROM queue_places WHERE sequence = 4",
		"ended":           "UPDATE queue_places SET status = 'left', ended_at = now() WHERE sequence = 3",
		"never bought":    "UPDATE queue_places SET status = 'completed', ended_at = now() WHERE sequence = 3",
		"live again":      "UPDATE queue_places SET status = 'admitted', ended_at = NULL WHERE sequence = 2",
		"never joined":    "UPDATE queue_places SET sequence = 5 WHERE sequence = 2",
		"not owed":        `UPDATE grains SET snapshot = jsonb_set(snapshot::jsonb, '{scheduleVersion}', '3')::json WHERE kind = 'gatekeeper'`,
		"another's place": "UPDATE events SET data = jsonb_set(data::jsonb, '{sequence}', '3')::json WHERE type = 'seat-confirmed'",
	} {
		violations, err := f.db.CheckAfter(f.ctx, "ALTER TABLE events DISABLE TRIGGER ALL", damage)
		require.NoError(t, err, name)
		var found []string
		for _, v := range violations {
			found = append(found, v.Invariant)
		}
		require.Contains(t, found, invariant, name)
	}
	f.sound()
}

// Join, be admitted, pay; the node dies before the gatekeeper has learned of it, another one
// activates the room, and the buyer joins again: the events replay, the slot is used once.
func TestTheBuyerJoinsAgainAtAnotherNode(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.schedule(300)
	r, s := f.room(id), f.seller(id)
	configured, refusal := r.Decide(boxoffice.Configure{Capacity: new(1)}, f.now)
	require.Nil(t, refusal)
	r.apply(configured...)
	buyer := f.user(1000)
	held := hold(r.admit(buyer)[0], 1)
	s.do(held, pay(held, "k"))

	r = f.room(id)
	require.True(t, r.Owes())
	r.Begin()
	var events []boxoffice.Event
	for _, decide := range []func() []boxoffice.Event{
		func() []boxoffice.Event { return r.Settle(f.now) },
		func() []boxoffice.Event {
			joined, refusal := r.Decide(waitingroom.Join{OperationID: newID(), UserID: buyer}, f.now)
			require.Nil(t, refusal)
			return joined
		},
		func() []boxoffice.Event { return r.Admit(f.now, 2) },
	} {
		decided := decide()
		require.Len(t, decided, 1)
		r.Apply(decided[0])
		events = append(events, decided...)
	}
	r.Rollback()
	r.apply(events...)
	f.sound()
	require.Equal(t, []boxoffice.PlaceRow{
		{Sequence: 1, Status: boxoffice.PlaceCompleted}, {Sequence: 2, Status: boxoffice.PlaceAdmitted},
	}, f.places(id, 1, 2))
	sequence, _, live := f.room(id).PlaceOf(buyer)
	require.True(t, live)
	require.Equal(t, uint64(2), sequence)
}
