package boxoffice

import (
	"time"

	"github.com/google/uuid"
)

// User is somebody who can queue, charge points and buy.
type User struct {
	ID        uuid.UUID
	Name      string
	CreatedAt time.Time
}

// EntryType says why points moved.
type EntryType string

// The types of a ledger entry.
const (
	EntryCharge  EntryType = "charge"
	EntryPayment EntryType = "payment"
	EntryRefund  EntryType = "refund"
)

// LedgerEntry is one movement of points on a user's account.
type LedgerEntry struct {
	ID           uuid.UUID `json:"id"`
	Type         EntryType `json:"type"`
	Amount       int64     `json:"amount"` // signed
	BalanceAfter int64     `json:"balanceAfter"`
	PaymentID    uuid.UUID `json:"paymentId,omitzero"` // zero for charges
	CreatedAt    time.Time `json:"createdAt"`
}

// Bounds of the catalogue's texts, in characters.
const (
	MaxTitle       = 200
	MaxArtist      = 200
	MaxDescription = 5000
	MaxUserName    = 100
)

// ValidateUserName returns an error for body.name if name is not a valid user name.
func ValidateUserName(name string) *Error {
	var p problems
	p.checkLine("body.name", name, 1, MaxUserName)
	return p.refusal()
}

// Bounds of points.
const (
	MaxCharge  int64 = 10_000_000    // points of one charge
	MaxBalance int64 = 1_000_000_000 // points of one account
	MaxPrice         = MaxBalance    // points of one seat
)

// DecideCharge returns the balance after a charge, or a refusal: invalid-request for an
// amount outside 1–MaxCharge, balance-limit for a balance past MaxBalance.
func DecideCharge(balance, amount int64) (int64, *Error) {
	if amount < 1 || amount > MaxCharge {
		return 0, Invalid("body.amount", "must be from 1 to %d", MaxCharge)
	}
	if balance > MaxBalance-amount {
		return 0, Errorf(CodeBalanceLimit, "the balance would pass %d points", MaxBalance)
	}
	return balance + amount, nil
}
