package persistence_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// What the code must never write the database refuses. The world of these statements:
// user '…01' with 1 000 points, who holds seat 2 of the schedule, and user '…02', who
// bought seat 1.
func TestConstraints(t *testing.T) {
	t.Parallel()
	f := setup(t)
	one, two, id := f.user(1000), f.user(1000), f.schedule(300)
	a := f.room(id).admit(one, two)
	s := f.seller(id)
	held, bought := hold(a[0], 2), hold(a[1], 1)
	paid := pay(bought, "k")
	s.do(held, bought, paid)
	s.save()

	const (
		unique  = "23505"
		check   = "23514"
		null    = "23502"
		foreign = "23503"
		refused = "42501" // by a trigger
	)
	reservation := `INSERT INTO reservations (id, schedule_id, seat_number, user_id, status, price, created_at, expires_at, ended_at)
		SELECT gen_random_uuid(), schedule_id, 9, gen_random_uuid(), status, price, created_at, expires_at, ended_at
		FROM reservations WHERE id = '` + held.ReservationID.String() + `'`
	_, err := f.connect().Exec(f.ctx, reservation)
	require.NoError(t, err, "the statement that others are made from is good")
	entries := func(values string) string {
		return `INSERT INTO ledger_entries (transaction_id, account, user_id, sequence, type, amount, balance_after, payment_id, created_at)
			VALUES ` + values
	}
	user, payment := "'"+one.String()+"'", "'"+paid.PaymentID.String()+"'"
	const entry = "'018f0000-0000-7000-8000-000000000000'"
	_, err = f.connect().Exec(f.ctx, entries(
		"("+entry+", 'user', "+user+", 9, 'charge', 5, 5, NULL, now()), ("+entry+", 'charges', NULL, NULL, 'charge', -5, NULL, NULL, now())"))
	require.NoError(t, err)

	for _, test := range []struct{ name, state, sql string }{
		{"a name that is too long", check, `INSERT INTO users VALUES (gen_random_uuid(), repeat('x', 101), now())`},
		{"an account of nobody", foreign, `INSERT INTO accounts VALUES (gen_random_uuid(), 0, 0)`},
		{"a negative balance", check, `UPDATE accounts SET balance = -1`},
		{"a negative price", check, `UPDATE concerts SET price = -1`},
		{"a concert without title", check, `UPDATE concerts SET title = ''`},
		{"a schedule of no concert", foreign, `UPDATE schedules SET concert_id = 999`},
		{"an end before the start", check, `UPDATE schedules SET ends_at = starts_at`},
		{"sales that never open", check, `UPDATE schedules SET sales_close_at = sales_open_at`},
		{"sales after the start", check, `UPDATE schedules SET sales_close_at = starts_at + interval '1 ms'`},
		{"49 prices", check, `UPDATE schedules SET prices = prices[1:49]`},
		{"an unknown price", check, `UPDATE schedules SET prices[5] = NULL`},
		{"a negative seat price", check, `UPDATE schedules SET prices[5] = -1`},
		{"a grain of no schedule", foreign, `INSERT INTO grains (kind, id, epoch, version, owner) VALUES ('schedule', 999, 0, 1, '')`},
		{"an unknown kind", check, `UPDATE grains SET kind = 'other'`},
		{"two owners' rows", unique, `INSERT INTO grains (kind, id, epoch, version, owner) SELECT kind, id, 0, 1, '' FROM grains`},
		{"a snapshot of the future", check, `UPDATE grains SET snapshot_version = version + 1 WHERE snapshot IS NOT NULL`},
		{"a snapshot without checksum", check, `UPDATE grains SET snapshot_checksum = NULL WHERE snapshot IS NOT NULL`},
		{"a version without snapshot", check, `UPDATE grains SET snapshot = NULL WHERE snapshot IS NOT NULL`},
		{"a changed event", refused, `UPDATE events SET type = 'x'`},
		{"a deleted event", refused, `DELETE FROM events`},
		{"no events", refused, `TRUNCATE events`},
		{"a version twice", unique, `INSERT INTO events SELECT * FROM events`},
		{"a key without digest", check, `UPDATE idempotency_keys SET digest = ''`},
		{"a key that is too long", check, `UPDATE idempotency_keys SET key = repeat('x', 256)`},
		{"a key twice", unique, `INSERT INTO idempotency_keys SELECT * FROM idempotency_keys`},
		{"seat 51", check, `UPDATE reservations SET seat_number = 51`},
		{"an unknown status", check, `UPDATE reservations SET status = 'lost'`},
		{"a hold without end", check, `UPDATE reservations SET expires_at = NULL WHERE status = 'held'`},
		{"a hold that ends before it begins", check, `UPDATE reservations SET expires_at = created_at WHERE status = 'held'`},
		{"a confirmed seat that expires", check, `UPDATE reservations SET expires_at = now() WHERE status = 'confirmed'`},
		{"a release without time", check, `UPDATE reservations SET status = 'released', expires_at = NULL WHERE status = 'held'`},
		{"a seat with two owners", unique, reservation},
		{"a user with two seats", unique, `UPDATE reservations SET user_id = ` + user},
		{"a reservation that is paid twice", unique, `INSERT INTO payments SELECT gen_random_uuid(), reservation_id, user_id, amount,
			balance, status, paid_at, cancelled_at, refunded_amount FROM payments`},
		{"a refund of another amount", check, `UPDATE payments SET status = 'cancelled', cancelled_at = now(), refunded_amount = amount - 1`},
		{"a refund without time", check, `UPDATE payments SET status = 'cancelled', refunded_amount = amount`},
		{"a negative payment", check, `UPDATE payments SET amount = -1`},
		{"a changed entry", refused, `UPDATE ledger_entries SET amount = 1`},
		{"a deleted entry", refused, `DELETE FROM ledger_entries`},
		{"half a transaction", check, entries("(gen_random_uuid(), 'user', " + user + ", 10, 'charge', 5, 5, NULL, now())")},
		{"a transaction that does not balance", check, entries("(" + user + ", 'user', " + user + ", 10, 'charge', 5, 5, NULL, now()), (" +
			user + ", 'charges', NULL, NULL, 'charge', -4, NULL, NULL, now())")},
		{"a sequence twice", unique, entries("(gen_random_uuid(), 'user', " + user + ", 9, 'charge', 5, 5, NULL, now())")},
		{"a payment that is entered twice", unique, entries("(" + user + ", 'user', " + user + ", 10, 'payment', -5, 5, " + payment + ", now()), (" +
			user + ", 'sales', NULL, NULL, 'payment', 5, NULL, " + payment + ", now())")},
		{"a charge that takes", check, entries("(gen_random_uuid(), 'user', " + user + ", 10, 'charge', -5, 5, NULL, now())")},
		{"a payment that gives", check, entries("(gen_random_uuid(), 'user', " + user + ", 10, 'payment', 5, 5, " + payment + ", now())")},
		{"a refund that takes", check, entries("(gen_random_uuid(), 'user', " + user + ", 10, 'refund', -5, 5, " + payment + ", now())")},
		{"a charge of a payment", check, entries("(gen_random_uuid(), 'user', " + user + ", 10, 'charge', 5, 5, " + payment + ", now())")},
		{"an entry of nobody", check, entries("(gen_random_uuid(), 'user', NULL, 10, 'charge', 5, 5, NULL, now())")},
		{"a payment from charges", check, entries("(gen_random_uuid(), 'charges', NULL, NULL, 'refund', -5, NULL, " + payment + ", now())")},
		{"a user with two places", unique, `INSERT INTO queue_places SELECT schedule_id, sequence + 100, user_id, status, claimed,
			joined_at, admitted_at, ends_at, held_until, ended_at FROM queue_places WHERE ended_at IS NULL`},
		{"a place that ended but lives", check, `UPDATE queue_places SET ended_at = now() WHERE status = 'admitted'`},
		{"a place that waits admitted", check, `UPDATE queue_places SET status = 'waiting' WHERE status = 'admitted'`},
		{"a waiting place that is held", check, `UPDATE queue_places SET status = 'waiting', claimed = false, admitted_at = NULL, ends_at = NULL
			WHERE held_until IS NOT NULL`},
		{"an admission without end", check, `UPDATE queue_places SET ends_at = NULL`},
		{"an admission that ends before it begins", check, `UPDATE queue_places SET ends_at = admitted_at`},
		{"a completed place that was never let in", check, `UPDATE queue_places SET claimed = false, admitted_at = NULL, ends_at = NULL
			WHERE status = 'completed'`},
		{"a place without user", null, `UPDATE queue_places SET user_id = NULL`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := f.connect().Exec(f.ctx, test.sql)
			var broken *pgconn.PgError
			require.ErrorAs(t, err, &broken)
			require.Equal(t, test.state, broken.Code, "%v", err)
		})
	}
}
