package mutant

// All lists the mutants.
func All() []Mutant {
	return []Mutant{
		fence(), gate(), lease(), key(), refund(), expiry(), capacity(), checksum(), age(),
	}
}

// fence: the epoch and the version are not compared, and events get the next versions
// there are, since their primary key would be a second fence.
func fence() Mutant {
	return Mutant{
		Name: "fence", Lacks: "the comparison of epochs and versions in a commit", Faults: "pause,cut-nats",
		Check: "database: events have no gaps, and epochs never go down",
		Edits: []Edit{
			{
				File: "persistence/statements.go",
				Old:  "SET version           = c.next,",
				New:  "SET version           = g.version + c.next - c.version,",
			},
			{
				File: "persistence/statements.go",
				Old:  `WHERE g.kind = c.kind COLLATE "C" AND g.id = c.id AND g.epoch = c.epoch AND g.version = c.version`,
				New:  `WHERE g.kind = c.kind COLLATE "C" AND g.id = c.id`,
			},
			{
				File: "persistence/statements.go",
				Old:  "SELECT unnest($8::text[]), unnest($9::bigint[]), unnest($10::bigint[]), unnest($11::bigint[]),\n\t\t\t\t\tunnest($12::text[]), unnest($13::uuid[]), unnest($14::json[]), unnest($15::timestamptz[])",
				New: `SELECT c.kind, c.id,
				(SELECT max(e.version) FROM events e WHERE e.kind = c.kind COLLATE "C" AND e.id = c.id)
					+ row_number() OVER (PARTITION BY c.kind, c.id ORDER BY c.version),
				c.epoch, c.type, c.operation_id, c.data, c.at
			FROM unnest($8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::uuid[],
				$14::json[], $15::timestamptz[]) AS c (kind, id, version, epoch, type, operation_id, data, at)`,
			},
			{
				File: "persistence/checked.go",
				Old:  "case !ok || grain != (grainFact{p.commit.Epoch, p.commit.Version}):",
				New:  "case !ok || grain == (grainFact{-1, -1}):",
			},
		},
	}
}

// gate: what was decided is told as soon as its commit is over, however it ended.
func gate() Mutant {
	return Mutant{
		Name: "gate", Lacks: "telling only what is durable", Faults: "postgres-restart,pause",
		Check: "durability",
		Edits: []Edit{
			{
				File: "actors/batch.go",
				Old:  "\tfor _, c := range b.commands {\n\t\ts.reply(c, &messages.Retry{Reason: reason})\n\t}\n\ts.close(reason)",
				New: `	for i, c := range b.commands {
		if b.replies[i] != nil {
			s.reply(c, b.replies[i]())
		} else {
			s.reply(c, &messages.Retry{Reason: reason})
		}
	}
	s.close(reason)`,
			},
			{
				File: "actors/batch.go",
				Old:  "\trefusal := refusalMessage(boxoffice.Unavailable(b.result.Err))\n\tfor _, c := range b.commands {\n\t\ts.reply(c, refusal)\n\t}",
				New: `	for i, c := range b.commands {
		if b.replies[i] != nil {
			s.reply(c, b.replies[i]())
		}
	}`,
			},
		},
	}
}

// lease: a node answers from memory whether or not somebody else may own the grain.
func lease() Mutant {
	return Mutant{
		Name: "lease", Lacks: "the look at the lease before an answer from memory", Faults: "cut-nats",
		Check: "place",
		Edits: []Edit{{
			File: "actors/batch.go",
			Old:  "(s.cfg.Lease.Valid() || len(b.commands) == 0)",
			New:  "(true || len(b.commands) == 0)",
		}},
	}
}

// key: whoever has not been answered before is not asked about the key again where the
// effect is written.
func key() Mutant {
	return Mutant{
		Name: "key", Lacks: "the check of the idempotency key in the transaction of its effect", Faults: "none",
		Check: "one effect",
		Edits: []Edit{
			{
				File: "persistence/checked.go",
				Old:  "\t\tstored, ok := d.facts.keys[keyOf(a.Key)]\n\t\tif !ok {",
				New:  "\t\tstored, ok := d.facts.keys[keyOf(a.Key)]\n\t\tif ok {\n\t\t\tcontinue\n\t\t}\n\t\tif !ok {",
			},
			{
				File: "persistence/statements.go",
				Old:  "LEFT JOIN payments p ON p.id = c.payment_id`",
				New:  "LEFT JOIN payments p ON p.id = c.payment_id\n\t\t\tON CONFLICT DO NOTHING`",
			},
			{
				File: "persistence/statements.go",
				Old:  "FROM moved WHERE key IS NOT NULL",
				New:  "FROM moved WHERE key IS NOT NULL\n\t\t\t\tON CONFLICT DO NOTHING",
			},
			{
				File: "persistence/charges.go",
				Old:  "\t\tif err != nil || found {\n\t\t\toutcome = stored",
				New:  "\t\tif err != nil || found && false {\n\t\t\toutcome = stored",
			},
		},
	}
}

// refund: a cancellation gives back twice what was paid.
func refund() Mutant {
	return Mutant{
		Name: "refund", Lacks: "giving back once what was paid once", Faults: "none",
		Check: "linearizability",
		Edits: []Edit{
			{
				File: "persistence/changes.go",
				Old:  "boxoffice.EntryRefund, d.UserID, d.PaymentID, d.ReservationID, e.OperationID, d.Amount, e.At,",
				New:  "boxoffice.EntryRefund, d.UserID, d.PaymentID, d.ReservationID, e.OperationID, 2 * d.Amount, e.At,",
			},
			{File: "persistence/rows.go", Old: "c[1].int8(r.amount)", New: "c[1].int8(r.amount / 2)"},
		},
	}
}

// expiry: a hold ends 400 ms before the time that its holder was told.
func expiry() Mutant {
	return Mutant{
		Name: "expiry", Lacks: "the last 400 ms of a hold", Faults: "none",
		Check: "linearizability",
		Edits: []Edit{
			{
				File: "schedule_state.go",
				Old:  "return c != nil && (c.confirmed() || now.Before(c.expiresAt))",
				New:  "return c != nil && (c.confirmed() || now.Add(400*time.Millisecond).Before(c.expiresAt))",
			},
			{
				File: "schedule_state.go",
				Old:  "return c != nil && !c.confirmed() && now.Before(c.expiresAt)",
				New:  "return c != nil && !c.confirmed() && now.Add(400*time.Millisecond).Before(c.expiresAt)",
			},
		},
	}
}

// capacity: one more is let in than there is room for.
func capacity() Mutant {
	return Mutant{
		Name: "capacity", Lacks: "the last place of the capacity", Faults: "none",
		Check: "waiting room",
		Edits: []Edit{{
			File: "waitingroom_decide.go",
			Old:  "free := r.settings.capacity - len(r.admitted.places)",
			New:  "free := r.settings.capacity + 1 - len(r.admitted.places)",
		}},
	}
}

// checksum: a damaged snapshot is believed.
func checksum() Mutant {
	return Mutant{
		Name: "checksum", Lacks: "the checksum of a snapshot", Faults: "poison-snapshots",
		Check: "database: a snapshot is what its events make",
		Edits: []Edit{{
			File: "persistence/activation.go",
			Old:  "if taken.checksum == nil || checksumOf(taken.snapshot) != *taken.checksum {",
			New:  "if taken.checksum == nil {",
		}},
	}
}

// age: a replica is shown however old it is.
func age() Mutant {
	return Mutant{
		Name: "age", Lacks: "the end of the trust in a replica that hears nothing", Faults: "cut-nats",
		Check: "place",
		Edits: []Edit{{
			File: "actors/edge/replica.go",
			Old:  "young = age >= 0 && age <= maxAge",
			New:  "young = age >= 0",
		}},
	}
}
