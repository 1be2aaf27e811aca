package boxoffice

// Bounds of points.
const (
	MaxCharge  int64 = 10_000_000    // points of one charge
	MaxBalance int64 = 1_000_000_000 // points of one account
	MaxPrice         = MaxBalance    // points of one seat
)

// DecideCharge tells the balance after a charge, or why it is refused:
// invalid-request for an amount outside 1–MaxCharge, balance-limit for a balance past
// MaxBalance.
func DecideCharge(balance, amount int64) (int64, *Error) {
	if amount < 1 || amount > MaxCharge {
		return 0, Invalid("body.amount", "must be from 1 to %d", MaxCharge)
	}
	if balance > MaxBalance-amount {
		return 0, Errorf(CodeBalanceLimit, "the balance would pass %d points", MaxBalance)
	}
	return balance + amount, nil
}
