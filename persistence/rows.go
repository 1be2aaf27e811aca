package persistence

import (
	"context"
	"hash/crc32"

	"github.com/google/uuid"

	"boxoffice"
)

// checksumOf is the CRC-32C that is kept beside a snapshot.
func checksumOf(snapshot []byte) int64 {
	return int64(crc32.Checksum(snapshot, crc32.MakeTable(crc32.Castagnoli)))
}

// ledgerRow is what one movement of points writes: a payment or its refund, and two
// entries.
type ledgerRow struct {
	movement
	transactionID uuid.UUID
	sequence      int64
	balance       int64 // after it
}

// accountRow is an account after the movements of a group.
type accountRow struct {
	userID                 uuid.UUID
	before, after, balance int64 // versions, and the balance after
}

// System accounts of the ledger.
const (
	accountCharges = "charges"
	accountSales   = "sales"
)

// writeGrains queues what becomes of grains: the events of each commit that writes, under
// its fence, and the confirmation of each that does not.
func (b *batch) writeGrains(ctx context.Context, group []*pending) {
	b.confirm(ctx, group)
	b.appendEvents(ctx, group)
}

func (b *batch) confirm(ctx context.Context, group []*pending) {
	s := confirmStatement()
	c := b.columnsOf(s)
	for _, p := range group {
		if p.writes() {
			continue
		}
		c[0].text(string(p.commit.Grain.Kind))
		c[1].int8(p.commit.Grain.ID)
		c[2].int8(p.commit.Epoch)
		c[3].int8(p.commit.Version)
	}
	if n := c[0].count; n > 0 {
		b.runExpecting(ctx, s, int(n))
	}
}

func (b *batch) appendEvents(ctx context.Context, group []*pending) {
	s := appendStatement()
	c := b.columnsOf(s)
	for _, p := range group {
		if !p.writes() {
			continue
		}
		c[0].text(string(p.commit.Grain.Kind))
		c[1].int8(p.commit.Grain.ID)
		c[2].int8(p.commit.Epoch)
		c[3].int8(p.commit.Version)
		c[4].int8(p.commit.Version + int64(len(p.commit.Events)))
		if p.commit.Snapshot == nil {
			c[5].null()
			c[6].null()
		} else {
			c[5].raw(p.commit.Snapshot)
			c[6].int8(checksumOf(p.commit.Snapshot))
		}
	}
	if c[0].count == 0 {
		return
	}
	events := c[7:]
	for _, p := range group {
		for i, e := range p.rows.events {
			events[0].text(string(p.commit.Grain.Kind))
			events[1].int8(p.commit.Grain.ID)
			events[2].int8(p.commit.Version + int64(i) + 1)
			events[3].int8(p.commit.Epoch)
			events[4].text(e.eventType)
			events[5].uuidOrNull(e.operationID)
			events[6].raw(e.data)
			events[7].timeOrNull(e.at)
		}
	}
	b.runExpecting(ctx, s, int(c[0].count))
}

// writeReservations queues what becomes of reservations: first those that end, which
// frees their seats, then the new ones.
func (b *batch) writeReservations(ctx context.Context, group []*pending) {
	s := endReservationsStatement()
	c := b.columnsOf(s)
	for _, p := range group {
		for _, r := range p.rows.reservations {
			if r.inserted {
				continue
			}
			c[0].uuid(r.id)
			c[1].text(string(r.from))
			c[2].text(string(r.to))
			c[3].timeOrNull(r.endedAt)
		}
	}
	if n := c[0].count; n > 0 {
		b.runExpecting(ctx, s, int(n))
	}

	s = insertReservationsStatement()
	c = b.columnsOf(s)
	for _, p := range group {
		for _, r := range p.rows.reservations {
			if !r.inserted {
				continue
			}
			c[0].uuid(r.id)
			c[1].int8(p.commit.Grain.ID)
			c[2].int2(r.seatNumber)
			c[3].uuid(r.userID)
			c[4].text(string(r.to))
			c[5].int8(r.price)
			c[6].timeOrNull(r.createdAt)
			c[7].timeOrNull(r.expiresAt)
			c[8].timeOrNull(r.endedAt)
		}
	}
	if c[0].count > 0 {
		b.run(ctx, s)
	}
}

func (b *batch) writePlaces(ctx context.Context, group []*pending) {
	required := 0
	s := changePlacesStatement()
	c := b.columnsOf(s)
	for _, p := range group {
		for _, place := range p.rows.places {
			if place.rule.required() {
				required++
			}
			c[0].int8(p.commit.Grain.ID)
			c[1].int8(int64(place.sequence))
			c[2].text(string(place.rule))
			c[3].bool(place.rule.required())
			c[4].uuidOrNull(place.userID)
			c[5].textOrNull(string(place.status))
			c[6].bool(place.claimed)
			c[7].timeOrNull(place.admittedAt)
			c[8].timeOrNull(place.endsAt)
			c[9].bool(place.setsHold)
			c[10].timeOrNull(place.heldUntil)
			c[11].timeOrNull(place.endedAt)
		}
	}
	if c[0].count > 0 {
		b.runExpecting(ctx, s, required)
	}

	// After the ends: somebody who has left may join again in the same commit.
	s = insertPlacesStatement()
	c = b.columnsOf(s)
	for _, p := range group {
		for _, place := range p.rows.joined {
			c[0].int8(p.commit.Grain.ID)
			c[1].int8(int64(place.sequence))
			c[2].uuid(place.userID)
			c[3].text(string(place.status))
			c[4].bool(place.claimed)
			c[5].timeOrNull(place.joinedAt)
			c[6].timeOrNull(place.admittedAt)
			c[7].timeOrNull(place.endsAt)
			c[8].timeOrNull(place.endedAt)
		}
	}
	if c[0].count > 0 {
		b.run(ctx, s)
	}
}

func (b *batch) writeAccounts(ctx context.Context, accounts []accountRow) {
	if len(accounts) == 0 {
		return
	}
	s := changeAccountsStatement()
	c := b.columnsOf(s)
	for _, a := range accounts {
		c[0].uuid(a.userID)
		c[1].int8(a.before)
		c[2].int8(a.balance)
		c[3].int8(a.after)
	}
	b.runExpecting(ctx, s, len(accounts))
}

// writePayments queues new payments before refunds, which may be of one of them.
func (b *batch) writePayments(ctx context.Context, rows []ledgerRow) {
	s := insertPaymentsStatement()
	c := b.columnsOf(s)
	for _, r := range rows {
		if r.entryType != boxoffice.EntryPayment {
			continue
		}
		c[0].uuid(r.paymentID)
		c[1].uuid(r.reservationID)
		c[2].uuid(r.userID)
		c[3].int8(-r.amount)
		c[4].int8(r.balance)
		c[5].timeOrNull(r.at)
	}
	if c[0].count > 0 {
		b.run(ctx, s)
	}

	s = cancelPaymentsStatement()
	c = b.columnsOf(s)
	for _, r := range rows {
		if r.entryType != boxoffice.EntryRefund {
			continue
		}
		c[0].uuid(r.paymentID)
		c[1].int8(r.amount)
		c[2].int8(r.balance)
		c[3].timeOrNull(r.at)
	}
	if n := c[0].count; n > 0 {
		b.runExpecting(ctx, s, int(n))
	}
	b.writeEntries(ctx, rows)
}

// writePurchases queues payments of different users, in the order of their accounts,
// expecting that all of them can pay, with the answers to them, and reads the balances.
func (b *batch) writePurchases(ctx context.Context, purchases []ledgerRow, balances map[uuid.UUID]int64) {
	if len(purchases) == 0 {
		return
	}
	s := purchaseStatement()
	c := b.columnsOf(s)
	for _, p := range purchases {
		c[0].uuid(p.userID)
		c[1].int8(-p.amount)
		c[2].uuid(p.paymentID)
		c[3].uuid(p.reservationID)
		c[4].uuid(p.transactionID)
		c[5].timeOrNull(p.at)
		if p.answer == nil {
			for i := 6; i < len(c); i++ {
				c[i].null()
			}
			continue
		}
		c[6].text(p.answer.Key.Operation)
		c[7].text(p.answer.Key.Key)
		c[8].raw(p.answer.Key.Digest[:])
		c[9].uuid(p.answer.OperationID)
		c[10].raw(p.answer.before)
		c[11].raw(p.answer.after)
		c[12].timeOrNull(p.answer.Outcome.At)
	}
	b.runExpecting(ctx, s, len(purchases))
	b.read(func(values [][]byte) { balances[uuidOf(values[1])] = int8Of(values[2]) })
}

func (b *batch) writeEntries(ctx context.Context, rows []ledgerRow) {
	if len(rows) == 0 {
		return
	}
	s := insertEntriesStatement()
	c := b.columnsOf(s)
	for _, r := range rows {
		system := accountSales
		if r.entryType == boxoffice.EntryCharge {
			system = accountCharges
		}
		c[0].uuid(r.transactionID)
		c[1].text(system)
		c[2].uuid(r.userID)
		c[3].int8(r.sequence)
		c[4].text(string(r.entryType))
		c[5].int8(r.amount)
		c[6].int8(r.balance)
		c[7].uuidOrNull(r.paymentID)
		c[8].timeOrNull(r.at)
	}
	b.run(ctx, s)
}

// writeKeys queues answers, which are sorted by key. A key that another transaction
// has just taken fails this one.
func (b *batch) writeKeys(ctx context.Context, answers []answerRow) {
	if len(answers) == 0 {
		return
	}
	s := insertKeysStatement()
	c := b.columnsOf(s)
	for _, a := range answers {
		c[0].uuid(a.Key.UserID)
		c[1].text(a.Key.Operation)
		c[2].text(a.Key.Key)
		c[3].raw(a.Key.Digest[:])
		c[4].uuid(a.OperationID)
		c[6].timeOrNull(a.Outcome.At) // when the key was used
		if a.encoded != nil {
			c[5].raw(a.encoded)
			c[7].null()
			c[8].null()
			continue
		}
		c[5].raw(a.before)
		c[7].uuid(a.Outcome.Payment.ID)
		c[8].raw(a.after)
	}
	b.run(ctx, s)
}
