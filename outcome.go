package boxoffice

import "time"

// Outcome is the answer to one operation: a refusal, or what came of it. It holds
// everything the response says, so that the same outcome is told in the same words
// whenever it is told again; At is the "now" of times that are told relatively.
// Outcomes of keyed operations are stored in the form [EncodeOutcome] gives them.
type Outcome struct {
	At          time.Time
	Refusal     *Error
	Created     bool // 201 rather than 200
	Reservation *Reservation
	Payment     *Payment
	Entry       *LedgerEntry
	// Replayed tells that this is the stored answer of an earlier request with the
	// same idempotency key. It is not stored.
	Replayed bool
}

// Storable tells whether an outcome is kept under its idempotency key: successes
// and business refusals are, everything else may be tried again.
func (o Outcome) Storable() bool {
	if o.Refusal == nil {
		return true
	}
	switch o.Refusal.Code {
	case CodeInsufficientPoints,
		CodeSeatTaken, CodeAlreadyReserved, CodeSalesClosed, CodeSoldOut,
		CodeAlreadyPaid, CodeAlreadyCancelled, CodeCancellationClosed,
		CodeHoldExpired:
		return true
	default:
		return false
	}
}
