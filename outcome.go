package boxoffice

import "time"

// Outcome is the answer to one operation: a refusal or a result. It holds everything that
// the response says, so that a repeated answer is word for word the same; At is the "now"
// of relative times. Outcomes of keyed operations are stored in the form that
// [EncodeOutcome] returns.
type Outcome struct {
	At          time.Time
	Refusal     *Error
	Created     bool // 201 rather than 200
	Reservation *Reservation
	Payment     *Payment
	Entry       *LedgerEntry
	// Replayed is true if this is the stored answer of an earlier request with the same
	// idempotency key. It is not stored.
	Replayed bool
}

// Storable reports whether an outcome is kept under its idempotency key: successes and
// business refusals are; everything else may be tried again.
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
