package check

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/chaos/history"
)

// movement is one operation on one account. Every answer of the service contains the
// balance, so that each step says what the balance was after it.
type movement struct {
	change  int64
	balance int64 // after the change
	// short is more than the account had: a payment that was refused for it.
	short  int64
	call   time.Duration
	end    time.Duration
	effect *Effect
}

// accountModel is the model of an account: a number that is never negative.
func accountModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return int64(0) },
		Step: func(state, input, _ any) (bool, any) {
			balance, m := state.(int64), input.(movement)
			balance += m.change
			fits := balance >= 0 && balance == m.balance && (m.short == 0 || m.short > balance)
			return fits, balance
		},
		DescribeState: func(state any) string { return fmt.Sprint(state) },
		DescribeOperation: func(input, _ any) string {
			m := input.(movement)
			if m.short > 0 {
				return fmt.Sprintf("%s: %d are not enough for %d #%v", m.effect.Kind, m.balance, m.short, m.effect.Operations)
			}
			return fmt.Sprintf("%s: %+d makes %d #%v", m.effect.Kind, m.change, m.balance, m.effect.Operations)
		},
	}
}

// accountMovements returns the steps of every account.
func accountMovements(effects []Effect) map[uuid.UUID][]movement {
	movements := make(map[uuid.UUID][]movement)
	for i := range effects {
		f := &effects[i]
		m, ok := movementOf(f)
		if !ok {
			continue
		}
		m.call, m.end, m.effect = f.Call, f.Return, f
		movements[f.Request.UserID] = append(movements[f.Request.UserID], m)
	}
	return movements
}

// movementOf returns what an effect implies for the account of its user.
func movementOf(f *Effect) (movement, bool) {
	a := f.Answer
	if !f.OK {
		if f.Kind == history.Pay && f.Code == string(boxoffice.CodeInsufficientPoints) && a.Balance != nil {
			return movement{balance: *a.Balance, short: a.Amount}, true
		}
		return movement{}, false
	}
	if f.Kind == history.Ledger {
		if len(a.Items) == 0 {
			return movement{}, true // nothing yet: 0
		}
		return movement{balance: a.Items[0].BalanceAfter}, true
	}
	if a.Balance == nil {
		return movement{}, false
	}
	m := movement{balance: *a.Balance}
	switch f.Kind {
	case history.Charge:
		m.change = a.Amount
	case history.Pay:
		m.change = -a.Amount
	case history.Cancel:
		m.change = a.RefundedAmount
	case history.Points:
	default:
		return movement{}, false
	}
	return m, true
}
