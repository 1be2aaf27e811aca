package mutant

// All lists the mutants.
func All() []Mutant {
	return []Mutant{
		fence(), gate(), lease(), key(), refund(), expiry(), capacity(), checksum(), age(), copies(),
		deaf(), owed(), made(), waits(), hasty(), unaware(),
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
				File: "persistence/grains.go",
				Old:  "WHERE g.epoch = c.epoch AND g.version = c.version",
				New:  "WHERE true",
			},
			{
				File: "persistence/grains.go",
				Old:  "SET version           = c.next,",
				New:  "SET version           = g.version + c.next - c.version,",
			},
			{
				File: "persistence/grains.go",
				Old:  `AND g.id = c.id AND g.epoch = c.epoch AND g.version = c.version`,
				New:  `AND g.id = c.id`,
			},
			{
				File: "persistence/grains.go",
				Old:  "SELECT c.kind, c.id, c.version, c.epoch, c.type, c.operation_id, c.data, c.at FROM {events} AS c",
				New: `SELECT c.kind, c.id,
				(SELECT max(e.version) FROM events e WHERE e.kind = c.kind COLLATE "C" AND e.id = c.id)
					+ row_number() OVER (PARTITION BY c.kind, c.id ORDER BY c.version),
				c.epoch, c.type, c.operation_id, c.data, c.at
			FROM {events} AS c`,
			},
			{
				File: "persistence/checked.go",
				Old:  "case !ok || row.Epoch != p.commit.Epoch || row.Version != p.commit.Version:",
				New:  "case !ok || row.Epoch < 0:",
			},
		},
	}
}

// gate: what was decided is told as soon as its commit is over, however it ended.
func gate() Mutant {
	const tell = `	for i, c := range b.commands {
		if b.replies[i] != nil {
			s.reply(c, b.replies[i](b.result))
		}
	}
`
	return Mutant{
		Name: "gate", Lacks: "telling only what is durable", Faults: "postgres-restart,pause",
		Check: "durability",
		Edits: []Edit{
			{
				File: "actors/batch.go",
				Old:  "\ts.answerBatch(b, &messages.Retry{Reason: reason})\n\ts.close(reason)",
				New:  tell + "\ts.close(reason)",
			},
			{
				File: "actors/batch.go",
				Old:  "\trefused := s.settleUnwritten(append(b.commands, b.reads...), b.refusals)\n",
				New:  tell + "\trefused := s.settleUnwritten(b.reads, b.refusals)\n",
			},
			{
				File: "actors/batch.go",
				Old:  "\tfor _, c := range append(append(b.commands, b.reads...), s.pending...) {",
				New:  tell + "\tfor _, c := range append(b.reads, s.pending...) {",
			},
		},
	}
}

// lease: a node answers from memory whether or not somebody else may own the grain.
func lease() Mutant {
	return Mutant{
		Name: "lease", Lacks: "the look at the lease before an answer from memory", Faults: "cut-nats",
		Check: "place",
		Edits: []Edit{
			{File: "actors/batch.go", Old: "(s.cfg.Lease.Valid() || !asked)", New: "(true || !asked)"},
			{File: "actors/shell.go", Old: "return s.cfg.Lease.Valid() && s.answer(c)", New: "return s.answer(c)"},
		},
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
				Old:  "\t\tif stored, ok := d.facts.keys[a.key()]; ok {\n",
				New:  "\t\tif stored, ok := d.facts.keys[a.key()]; ok {\n\t\t\tcontinue\n",
			},
			{
				File: "persistence/keys.go",
				Old:  "LEFT JOIN ledger_entries e ON e.transaction_id = c.transaction_id AND e.account = 'user'`",
				New:  "LEFT JOIN ledger_entries e ON e.transaction_id = c.transaction_id AND e.account = 'user'\n\t\t\tON CONFLICT DO NOTHING`",
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
				Old:  "Type: boxoffice.EntryRefund, Amount: d.Amount,",
				New:  "Type: boxoffice.EntryRefund, Amount: 2 * d.Amount,",
			},
			{
				File: "persistence/accounts.go",
				Old:  "refunded_amount = made.amount,",
				New:  "refunded_amount = made.amount / 2,",
			},
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
				File: "seatmap/state.go",
				Old:  "return c != nil && (c.confirmed() || now.Before(c.expiresAt))",
				New:  "return c != nil && (c.confirmed() || now.Add(400*time.Millisecond).Before(c.expiresAt))",
			},
			{
				File: "seatmap/state.go",
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
			File: "waitingroom/decide.go",
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

// deaf: a waiting room learns of its schedule only what it is told in time.
func deaf() Mutant {
	return Mutant{
		Name: "deaf", Lacks: "telling a waiting room again what it may have missed", Faults: "lost-answers",
		Check: "queue",
		Edits: []Edit{
			{
				File: "actors/schedule.go",
				Old:  "return effects{tell: newsMessage(g.seats.News(version, now))}",
				New:  "return effects{}",
			},
			{
				File: "actors/gatekeeper.go",
				Old:  "\tif missed {\n\t\treturn g.lookUp(now), true\n\t}\n",
				New:  "\t_ = missed\n",
			},
			{
				File: "actors/gatekeeper.go",
				Old:  "\tcase view.SoldOut, view.Waiting > 0 && view.Admitted > 0:\n",
				New:  "\tcase false && view.SoldOut:\n",
			},
		},
	}
}

// owed: the end of a place that a payment used up is no event.
func owed() Mutant {
	return Mutant{
		Name: "owed", Lacks: "events for the ends of places that payments used up", Faults: "kill",
		Check: "waiting room",
		Edits: []Edit{{
			File: "waitingroom/news.go",
			Old:  "\tif !r.Owes() {\n\t\treturn nil\n\t}\n\treturn placesEnded(",
			New:  "\tif true {\n\t\treturn nil\n\t}\n\treturn placesEnded(",
		}},
	}
}

// made: nobody is told that their join made their place.
func made() Mutant {
	return Mutant{
		Name: "made", Lacks: "telling whose join made a place", Faults: "none",
		Check: "place",
		Edits: []Edit{{
			File: "actors/gatekeeper.go",
			Old:  "len(events) > 0 || by == operationID && by != uuid.Nil)",
			New:  "len(events) > 0 && by == uuid.Nil)",
		}},
	}
}

// waits: whoever looks waits for the commit that is under way.
func waits() Mutant {
	return Mutant{
		Name: "waits", Lacks: "answers to those who only look while a commit is under way", Faults: "statement-timeouts",
		Check: "reads",
		Edits: []Edit{{
			File: "actors/shell.go",
			Old:  "return s.cfg.Lease.Valid() && s.answer(c)",
			New:  "return s.flight == nil && s.cfg.Lease.Valid() && s.answer(c)",
		}},
	}
}

// hasty: what is not answered within 300 ms is sent again, and its answer is lost.
func hasty() Mutant {
	return Mutant{
		Name: "hasty", Lacks: "waiting for the answer to what was sent", Faults: "commits-1500ms",
		Check: "commits-1500ms",
		Edits: []Edit{{
			File: "cluster/call.go",
			Old:  "\t\treply, err = c.once(ctx, where, message)\n",
			New: `		once, cancel := context.WithTimeoutCause(ctx, 300*time.Millisecond, errTimeout)
		reply, err = c.once(once, where, message)
		cancel()
`,
		}},
	}
}

// unaware: a node is ready whether or not it has Postgres.
func unaware() Mutant {
	return Mutant{
		Name: "unaware", Lacks: "the look at Postgres before it says that it is ready", Faults: "postgres-silent",
		Check: "postgres-silent",
		Edits: []Edit{{
			File: "cmd/boxoffice/node.go",
			Old:  "if err := n.journal.Ready(ctx); err != nil {",
			New:  "if err := n.journal.Ready(ctx); err != nil && ctx.Err() != nil {",
		}},
	}
}

// copies: the members' bucket is on one NATS server, however many there are.
func copies() Mutant {
	return Mutant{
		Name: "copies", Lacks: "the copies of the members' bucket on the other NATS servers", Faults: "nats-server",
		Check: "NATS server",
		Edits: []Edit{{File: "cluster/store.go", Old: "maxCopies = 3", New: "maxCopies = 1"}},
	}
}
