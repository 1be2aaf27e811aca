package boxoffice

import (
	"encoding/json"
	"fmt"
	"time"
)

// storedOutcome is the stored form of an outcome, version 1.
type storedOutcome struct {
	Version     int            `json:"v"`
	At          time.Time      `json:"at"`
	Refusal     *storedRefusal `json:"refusal,omitzero"`
	Created     bool           `json:"created,omitzero"`
	Reservation *Reservation   `json:"reservation,omitzero"`
	Payment     *Payment       `json:"payment,omitzero"`
	Entry       *LedgerEntry   `json:"entry,omitzero"`
}

type storedRefusal struct {
	Code           Code               `json:"code"`
	Detail         string             `json:"detail"`
	AvailableSeats []int              `json:"availableSeats,omitzero"` // empty and absent differ
	Balance        int64              `json:"balance,omitzero"`
	Amount         int64              `json:"amount,omitzero"`
	RetryAfterMS   int64              `json:"retryAfterMs,omitzero"`
	Fields         []storedFieldError `json:"fields,omitzero"`
}

type storedFieldError struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// maxStoredRetryAfterMS bounds the RetryAfter that is read back: a day.
const maxStoredRetryAfterMS = 86_400_000

// EncodeOutcome returns the stored form of an outcome: JSON with a version. Replayed and
// the cause of a refusal are not stored; RetryAfter is stored in whole milliseconds.
func EncodeOutcome(o Outcome) ([]byte, error) {
	stored := storedOutcome{
		Version:     StoredVersion,
		At:          o.At,
		Created:     o.Created,
		Reservation: o.Reservation,
		Payment:     o.Payment,
		Entry:       o.Entry,
	}
	if r := o.Refusal; r != nil {
		stored.Refusal = &storedRefusal{
			Code:           r.Code,
			Detail:         r.Detail,
			AvailableSeats: r.AvailableSeats,
			Balance:        r.Balance,
			Amount:         r.Amount,
			RetryAfterMS:   r.RetryAfter.Milliseconds(),
		}
		for _, f := range r.Fields {
			stored.Refusal.Fields = append(stored.Refusal.Fields, storedFieldError(f))
		}
	}
	data, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("encode outcome: %w", err)
	}
	return data, nil
}

// DecodeOutcome reads what EncodeOutcome wrote. A version that it does not know is an
// error.
func DecodeOutcome(data []byte) (Outcome, error) {
	var stored storedOutcome
	if err := DecodeStored(data, &stored); err != nil {
		return Outcome{}, fmt.Errorf("decode outcome: %w", err)
	}
	o := Outcome{
		At:          stored.At,
		Created:     stored.Created,
		Reservation: stored.Reservation,
		Payment:     stored.Payment,
		Entry:       stored.Entry,
	}
	if r := stored.Refusal; r != nil {
		if r.Code == "" || r.RetryAfterMS < 0 || r.RetryAfterMS > maxStoredRetryAfterMS {
			return Outcome{}, fmt.Errorf("decode outcome: refusal with code %q and %d ms to wait", r.Code, r.RetryAfterMS)
		}
		o.Refusal = &Error{
			Code:           r.Code,
			Detail:         r.Detail,
			AvailableSeats: r.AvailableSeats,
			Balance:        r.Balance,
			Amount:         r.Amount,
			RetryAfter:     time.Duration(r.RetryAfterMS) * time.Millisecond,
		}
		for _, f := range r.Fields {
			o.Refusal.Fields = append(o.Refusal.Fields, FieldError(f))
		}
	}
	return o, nil
}
