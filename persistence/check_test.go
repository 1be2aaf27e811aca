package persistence_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice"
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
