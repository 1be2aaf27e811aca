package persistence

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// facts are what the rows say that a group of commits depends on. All but the keys are
// locked until the transaction ends; a key that somebody else takes meanwhile is found
// when the answers are inserted.
type facts struct {
	locking  locking
	grains   map[boxoffice.Grain]grainFact
	places   map[placeKey]placeFact
	accounts map[uuid.UUID]accountFact
	keys     map[answerKey]storedAnswer
}

type grainFact struct{ epoch, version int64 }

type placeKey struct {
	scheduleID int64
	sequence   uint64
}

type placeFact struct {
	boxoffice.PlaceRow
	userID uuid.UUID
}

type accountFact struct {
	exists           bool
	balance, version int64
	read             int64 // the version that was read
	moved            bool
}

// answerKey is an idempotency key without its digest.
type answerKey struct {
	userID         uuid.UUID
	operation, key string
}

func keyOf(k boxoffice.IdempotencyKey) answerKey { return answerKey{k.UserID, k.Operation, k.Key} }

// storedAnswer is the answer that a key has.
type storedAnswer struct {
	operationID uuid.UUID
	digest      []byte
	outcome     boxoffice.Outcome
	err         error // why outcome cannot be read
}

func storedAnswerOf(a answerRow) storedAnswer {
	return storedAnswer{operationID: a.OperationID, digest: a.Key.Digest[:], outcome: a.Outcome}
}

// missesRows tells whether rows that a commit changes were not read: where locked ones
// are skipped, they are locked.
func (f *facts) missesRows(p *pending) bool {
	if f.locking != skipLocked {
		return false
	}
	for _, c := range p.rows.places {
		if _, ok := f.places[placeKey{p.commit.Grain.ID, c.sequence}]; !ok {
			return true
		}
	}
	for _, m := range p.rows.movements {
		if !f.accounts[m.userID].exists {
			return true
		}
	}
	return false
}

// The statements of this file differ by locking in what they do about locked rows.
func (l locking) statement(name, sql string, types ...uint32) *statement {
	if l == skipLocked {
		return &statement{name: name + " skipping", sql: sql + " SKIP LOCKED", types: types}
	}
	return &statement{name: name, sql: sql, types: types}
}

func lockGrainsStatement(l locking) *statement {
	return l.statement("lock grains", `
		SELECT c.position, g.epoch, g.version
		FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS c (kind, id, position)
		JOIN grains g ON g.kind = c.kind COLLATE "C" AND g.id = c.id
		FOR NO KEY UPDATE OF g`, oidText, oidInt8)
}

func lockPlacesStatement(l locking) *statement {
	return l.statement("lock places", `
		SELECT p.schedule_id, p.sequence, p.status, p.user_id, p.held_until
		FROM unnest($1::bigint[], $2::bigint[]) AS c (schedule_id, sequence)
		JOIN queue_places p ON p.schedule_id = c.schedule_id AND p.sequence = c.sequence
		FOR NO KEY UPDATE OF p`, oidInt8, oidInt8)
}

func lockAccountsStatement(l locking) *statement {
	return l.statement("lock accounts", `
		SELECT a.user_id, a.balance, a.version
		FROM unnest($1::uuid[]) AS c (user_id)
		JOIN accounts a ON a.user_id = c.user_id
		FOR NO KEY UPDATE OF a`, oidUUID)
}

func readKeysStatement() *statement {
	return &statement{
		name: "read keys",
		sql: `
			SELECT k.user_id, k.operation, k.key, k.digest, k.operation_id, k.outcome
			FROM unnest($1::uuid[], $2::text[], $3::text[]) AS c (user_id, operation, key)
			JOIN idempotency_keys k ON k.user_id = c.user_id
				AND k.operation = c.operation COLLATE "C" AND k.key = c.key COLLATE "C"`,
		types: []uint32{oidUUID, oidText, oidText},
	}
}

func beginStatement() *statement  { return &statement{name: "begin", sql: "BEGIN"} }
func commitStatement() *statement { return &statement{name: "commit", sql: "COMMIT"} }

// allowTimeStatement gives the statements of a large group more time.
func allowTimeStatement() *statement {
	return &statement{name: "allow time", sql: "SET LOCAL statement_timeout = " + milliseconds(largeStatementTimeout)}
}

// readFacts begins a transaction and locks and reads what the group depends on.
func (w *groupWriter) readFacts(
	ctx context.Context, conn *pgx.Conn, group []*pending, lock locking,
) (*facts, error) {
	f := &facts{
		locking:  lock,
		grains:   make(map[boxoffice.Grain]grainFact, len(group)),
		places:   make(map[placeKey]placeFact),
		accounts: make(map[uuid.UUID]accountFact),
		keys:     make(map[answerKey]storedAnswer),
	}
	b := &w.batch
	b.reset(conn)
	b.looks = true
	b.run(ctx, beginStatement())
	if isLarge(group) {
		b.run(ctx, allowTimeStatement())
	}
	b.lockGrains(ctx, group, f)
	b.lockPlaces(ctx, group, f)
	b.lockAccounts(ctx, group, f)
	b.readKeys(ctx, group, f)
	return f, b.send(ctx)
}

func (b *batch) lockGrains(ctx context.Context, group []*pending, f *facts) {
	s := lockGrainsStatement(f.locking)
	c := b.columnsOf(s)
	for _, p := range group {
		c[0].text(string(p.commit.Grain.Kind))
		c[1].int8(p.commit.Grain.ID)
	}
	b.run(ctx, s)
	b.read(func(values [][]byte) {
		f.grains[group[int8Of(values[0])-1].commit.Grain] = grainFact{int8Of(values[1]), int8Of(values[2])}
	})
}

func (b *batch) lockPlaces(ctx context.Context, group []*pending, f *facts) {
	s := lockPlacesStatement(f.locking)
	c := b.columnsOf(s)
	for _, p := range group {
		for _, place := range p.rows.places {
			c[0].int8(p.commit.Grain.ID)
			c[1].int8(int64(place.sequence))
		}
	}
	if c[0].count == 0 {
		return
	}
	b.run(ctx, s)
	b.read(func(values [][]byte) {
		sequence := uint64(int8Of(values[1]))
		f.places[placeKey{int8Of(values[0]), sequence}] = placeFact{
			PlaceRow: boxoffice.PlaceRow{
				Sequence:  sequence,
				Status:    boxoffice.PlaceStatus(values[2]),
				HeldUntil: timeOf(values[4]),
			},
			userID: uuidOf(values[3]),
		}
	})
}

func (b *batch) lockAccounts(ctx context.Context, group []*pending, f *facts) {
	var ids []uuid.UUID
	for _, p := range group {
		for _, m := range p.rows.movements {
			ids = append(ids, m.userID)
		}
	}
	if len(ids) == 0 {
		return
	}
	slices.SortFunc(ids, compareIDs)
	s := lockAccountsStatement(f.locking)
	c := b.columnsOf(s)
	for _, id := range slices.Compact(ids) {
		c[0].uuid(id)
	}
	b.run(ctx, s)
	b.read(func(values [][]byte) {
		f.accounts[uuidOf(values[0])] = accountFact{
			exists: true, balance: int8Of(values[1]), version: int8Of(values[2]), read: int8Of(values[2]),
		}
	})
}

func (b *batch) readKeys(ctx context.Context, group []*pending, f *facts) {
	s := readKeysStatement()
	c := b.columnsOf(s)
	for _, p := range group {
		for _, a := range p.rows.answers {
			c[0].uuid(a.Key.UserID)
			c[1].text(a.Key.Operation)
			c[2].text(a.Key.Key)
		}
	}
	if c[0].count == 0 {
		return
	}
	b.run(ctx, s)
	b.read(func(values [][]byte) {
		outcome, err := boxoffice.DecodeOutcome(values[5])
		key := answerKey{uuidOf(values[0]), string(values[1]), string(values[2])}
		f.keys[key] = storedAnswer{
			operationID: uuidOf(values[4]), digest: slices.Clone(values[3]), outcome: outcome, err: err,
		}
	})
}
