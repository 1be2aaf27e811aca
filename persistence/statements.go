package persistence

// The statements that write the rows of a group. Each takes one array per column and
// goes through them in order, which is the order of the keys: see journalSettings. The
// arrays are unnested in a select list: in FROM each would be copied into a table of its
// own first.

func confirmStatement() *statement {
	return &statement{
		name: "confirm",
		sql: `
			SELECT expect_rows((
				SELECT count(*)
				FROM (
					SELECT unnest($1::text[]) AS kind, unnest($2::bigint[]) AS id, unnest($3::bigint[]) AS epoch,
						unnest($4::bigint[]) AS version
				) AS c
				JOIN grains g ON g.kind = c.kind COLLATE "C" AND g.id = c.id
				WHERE g.epoch = c.epoch AND g.version = c.version
			), $5, 'confirm')`,
		types: []uint32{oidText, oidInt8, oidInt8, oidInt8},
	}
}

// appendStatement appends events to their grains under the fence: the update locks each
// grain's row, so that a new activation waits for this transaction and then sees it, and
// this transaction waits for an activation and then finds another epoch.
func appendStatement() *statement {
	return &statement{
		name: "append",
		sql: `
			WITH fenced AS (
				UPDATE grains g
				SET version           = c.next,
				    snapshot          = CASE WHEN c.checksum IS NULL THEN g.snapshot ELSE c.snapshot END,
				    snapshot_version  = CASE WHEN c.checksum IS NULL THEN g.snapshot_version ELSE c.next END,
				    snapshot_checksum = coalesce(c.checksum, g.snapshot_checksum)
				FROM (
					SELECT unnest($1::text[]) AS kind, unnest($2::bigint[]) AS id, unnest($3::bigint[]) AS epoch,
						unnest($4::bigint[]) AS version, unnest($5::bigint[]) AS next,
						unnest($6::json[]) AS snapshot, unnest($7::bigint[]) AS checksum
				) AS c
				WHERE g.kind = c.kind COLLATE "C" AND g.id = c.id AND g.epoch = c.epoch AND g.version = c.version
				RETURNING 1
			), appended AS (
				INSERT INTO events (kind, id, version, epoch, type, operation_id, data, at)
				SELECT unnest($8::text[]), unnest($9::bigint[]), unnest($10::bigint[]), unnest($11::bigint[]),
					unnest($12::text[]), unnest($13::uuid[]), unnest($14::json[]), unnest($15::timestamptz[])
			)
			SELECT expect_rows((SELECT count(*) FROM fenced), $16, 'fence')`,
		types: []uint32{
			oidText, oidInt8, oidInt8, oidInt8, oidInt8, oidJSON, oidInt8,
			oidText, oidInt8, oidInt8, oidInt8, oidText, oidUUID, oidJSON, oidTime,
		},
	}
}

func endReservationsStatement() *statement {
	return &statement{
		name: "end reservations",
		sql: `
			WITH changed AS (
				UPDATE reservations r
				SET status = c.status, expires_at = NULL, ended_at = c.ended_at
				FROM (
					SELECT unnest($1::uuid[]) AS id, unnest($2::text[]) AS before, unnest($3::text[]) AS status,
						unnest($4::timestamptz[]) AS ended_at
				) AS c
				WHERE r.id = c.id AND r.status = c.before COLLATE "C"
				RETURNING 1
			)
			SELECT expect_rows((SELECT count(*) FROM changed), $5, 'reservations')`,
		types: []uint32{oidUUID, oidText, oidText, oidTime},
	}
}

func insertReservationsStatement() *statement {
	return &statement{
		name: "insert reservations",
		sql: `
			INSERT INTO reservations
				(id, schedule_id, seat_number, user_id, status, price, created_at, expires_at, ended_at)
			SELECT unnest($1::uuid[]), unnest($2::bigint[]), unnest($3::smallint[]), unnest($4::uuid[]),
				unnest($5::text[]), unnest($6::bigint[]), unnest($7::timestamptz[]), unnest($8::timestamptz[]),
				unnest($9::timestamptz[])`,
		types: []uint32{oidUUID, oidInt8, oidInt2, oidUUID, oidText, oidInt8, oidTime, oidTime, oidTime},
	}
}

func insertPlacesStatement() *statement {
	return &statement{
		name: "insert places",
		sql: `
			INSERT INTO queue_places
				(schedule_id, sequence, user_id, status, claimed, joined_at, admitted_at, ends_at, ended_at)
			SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::uuid[]), unnest($4::text[]),
				unnest($5::boolean[]), unnest($6::timestamptz[]), unnest($7::timestamptz[]),
				unnest($8::timestamptz[]), unnest($9::timestamptz[])`,
		types: []uint32{oidInt8, oidInt8, oidUUID, oidText, oidBool, oidTime, oidTime, oidTime, oidTime},
	}
}

// changePlacesStatement applies changes of places under their rules. That a row must be
// live stands inside the CASE, where the planner cannot take it for a reason to use
// another index than the primary key.
func changePlacesStatement() *statement {
	return &statement{
		name: "change places",
		sql: `
			WITH changed AS (
				UPDATE queue_places p
				SET status      = coalesce(c.status, p.status),
				    claimed     = p.claimed OR c.claimed,
				    admitted_at = coalesce(c.admitted_at, p.admitted_at),
				    ends_at     = coalesce(c.ends_at, p.ends_at),
				    held_until  = CASE WHEN c.sets_hold THEN c.held_until ELSE p.held_until END,
				    ended_at    = c.ended_at
				FROM (
					SELECT unnest($1::bigint[]) AS schedule_id, unnest($2::bigint[]) AS sequence,
						unnest($3::text[]) AS rule, unnest($4::boolean[]) AS required,
						unnest($5::uuid[]) AS user_id, unnest($6::text[]) AS status,
						unnest($7::boolean[]) AS claimed, unnest($8::timestamptz[]) AS admitted_at,
						unnest($9::timestamptz[]) AS ends_at, unnest($10::boolean[]) AS sets_hold,
						unnest($11::timestamptz[]) AS held_until, unnest($12::timestamptz[]) AS ended_at
				) AS c
				WHERE p.schedule_id = c.schedule_id AND p.sequence = c.sequence AND CASE
					WHEN p.ended_at IS NOT NULL THEN false
					WHEN c.rule = 'hold' THEN p.status = 'admitted' AND p.user_id = c.user_id
					WHEN c.rule = 'admitted' THEN p.status = 'admitted'
					WHEN c.rule = 'expire' THEN
						p.status = 'admitted' AND (p.held_until IS NULL OR p.held_until <= c.ended_at)
					WHEN c.rule = 'admit' THEN p.status = 'waiting'
					ELSE true END
				RETURNING c.required
			)
			SELECT expect_rows((SELECT count(*) FROM changed WHERE required), $13, 'places')`,
		types: []uint32{
			oidInt8, oidInt8, oidText, oidBool, oidUUID, oidText, oidBool,
			oidTime, oidTime, oidBool, oidTime, oidTime,
		},
	}
}

// changeAccountsStatement sets balances that were computed under the lock of their rows.
func changeAccountsStatement() *statement {
	return &statement{
		name: "change accounts",
		sql: `
			WITH changed AS (
				UPDATE accounts a
				SET balance = c.balance, version = c.version
				FROM (
					SELECT unnest($1::uuid[]) AS user_id, unnest($2::bigint[]) AS before,
						unnest($3::bigint[]) AS balance, unnest($4::bigint[]) AS version
				) AS c
				WHERE a.user_id = c.user_id AND a.version = c.before
				RETURNING 1
			)
			SELECT expect_rows((SELECT count(*) FROM changed), $5, 'accounts')`,
		types: []uint32{oidUUID, oidInt8, oidInt8, oidInt8},
	}
}

func insertPaymentsStatement() *statement {
	return &statement{
		name: "insert payments",
		sql: `
			INSERT INTO payments (id, reservation_id, user_id, amount, balance, status, paid_at)
			SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::uuid[]), unnest($4::bigint[]),
				unnest($5::bigint[]), 'completed', unnest($6::timestamptz[])`,
		types: []uint32{oidUUID, oidUUID, oidUUID, oidInt8, oidInt8, oidTime},
	}
}

func cancelPaymentsStatement() *statement {
	return &statement{
		name: "cancel payments",
		sql: `
			WITH changed AS (
				UPDATE payments p
				SET status = 'cancelled', refunded_amount = c.amount, balance = c.balance, cancelled_at = c.at
				FROM (
					SELECT unnest($1::uuid[]) AS id, unnest($2::bigint[]) AS amount,
						unnest($3::bigint[]) AS balance, unnest($4::timestamptz[]) AS at
				) AS c
				WHERE p.id = c.id AND p.status = 'completed'
				RETURNING 1
			)
			SELECT expect_rows((SELECT count(*) FROM changed), $5, 'payments')`,
		types: []uint32{oidUUID, oidInt8, oidInt8, oidTime},
	}
}

// insertEntriesStatement writes both sides of each ledger transaction: the user's and,
// with the opposite amount, that of the system account.
func insertEntriesStatement() *statement {
	return &statement{
		name: "insert entries",
		sql: `
			INSERT INTO ledger_entries
				(transaction_id, account, user_id, sequence, type, amount, balance_after, payment_id, created_at)
			SELECT c.transaction_id, s.account, CASE WHEN s.side = 1 THEN c.user_id END,
				CASE WHEN s.side = 1 THEN c.sequence END, c.type, s.side * c.amount,
				CASE WHEN s.side = 1 THEN c.balance_after END, c.payment_id, c.at
			FROM (
				SELECT unnest($1::uuid[]) AS transaction_id, unnest($2::text[]) AS system_account,
					unnest($3::uuid[]) AS user_id, unnest($4::bigint[]) AS sequence, unnest($5::text[]) AS type,
					unnest($6::bigint[]) AS amount, unnest($7::bigint[]) AS balance_after,
					unnest($8::uuid[]) AS payment_id, unnest($9::timestamptz[]) AS at
			) AS c,
			LATERAL (VALUES ('user', 1), (c.system_account, -1)) AS s (account, side)`,
		types: []uint32{oidUUID, oidText, oidUUID, oidInt8, oidText, oidInt8, oidInt8, oidUUID, oidTime},
	}
}

// purchaseStatement pays from accounts that have enough, each once, without another
// look at them first, and stores the answers to those who sent a key.
func purchaseStatement() *statement {
	return &statement{
		name: "purchase",
		sql: `
			WITH moved AS (
				UPDATE accounts a
				SET balance = a.balance - c.amount, version = a.version + 1
				FROM (
					SELECT unnest($1::uuid[]) AS user_id, unnest($2::bigint[]) AS amount,
						unnest($3::uuid[]) AS payment_id, unnest($4::uuid[]) AS reservation_id,
						unnest($5::uuid[]) AS transaction_id, unnest($6::timestamptz[]) AS at,
						unnest($7::text[]) AS operation, unnest($8::text[]) AS key, unnest($9::bytea[]) AS digest,
						unnest($10::uuid[]) AS operation_id, unnest($11::text[]) AS outcome,
						unnest($12::text[]) AS rest, unnest($13::timestamptz[]) AS used_at
				) AS c
				WHERE a.user_id = c.user_id AND a.balance >= c.amount
				RETURNING c.*, a.balance, a.version
			), paid AS (
				INSERT INTO payments (id, reservation_id, user_id, amount, balance, status, paid_at)
				SELECT payment_id, reservation_id, user_id, amount, balance, 'completed', at FROM moved
			), entered AS (
				INSERT INTO ledger_entries
					(transaction_id, account, user_id, sequence, type, amount, balance_after, payment_id, created_at)
				SELECT transaction_id, 'user', user_id, version, 'payment', -amount, balance, payment_id, at FROM moved
				UNION ALL
				SELECT transaction_id, 'sales', NULL, NULL, 'payment', amount, NULL, payment_id, at FROM moved
			), answered AS (
				INSERT INTO idempotency_keys (user_id, operation, key, digest, operation_id, outcome, created_at)
				SELECT user_id, operation, key, digest, operation_id, (outcome || balance || rest)::json, used_at
				FROM moved WHERE key IS NOT NULL
			)
			SELECT all_of.them, moved.payment_id, moved.balance
			FROM (SELECT expect_rows((SELECT count(*) FROM moved), $14, 'accounts')) AS all_of (them)
			LEFT JOIN moved ON true`,
		types: []uint32{
			oidUUID, oidInt8, oidUUID, oidUUID, oidUUID, oidTime,
			oidText, oidText, oidBytea, oidUUID, oidText, oidText, oidTime,
		},
	}
}

// insertKeysStatement completes the answers that tell of a payment with its balance. A
// key that is taken violates the primary key, which rolls back like a missed expectation
// and is cheaper to rule out than ON CONFLICT.
func insertKeysStatement() *statement {
	return &statement{
		name: "insert keys",
		sql: `
			INSERT INTO idempotency_keys (user_id, operation, key, digest, operation_id, outcome, created_at)
			SELECT c.user_id, c.operation, c.key, c.digest, c.operation_id,
				(c.outcome || coalesce(p.balance || c.rest, ''))::json, c.at
			FROM (
				SELECT unnest($1::uuid[]) AS user_id, unnest($2::text[]) AS operation, unnest($3::text[]) AS key,
					unnest($4::bytea[]) AS digest, unnest($5::uuid[]) AS operation_id,
					unnest($6::text[]) AS outcome, unnest($7::timestamptz[]) AS at,
					unnest($8::uuid[]) AS payment_id, unnest($9::text[]) AS rest
			) AS c
			LEFT JOIN payments p ON p.id = c.payment_id`,
		types: []uint32{oidUUID, oidText, oidText, oidBytea, oidUUID, oidText, oidTime, oidUUID, oidText},
	}
}
