package check

import (
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// State is what the database holds, at one instant after the run.
type State struct {
	Events  []EventRow // by kind, id and version
	Entries []EntryRow // of users, by transaction
	Users   []uuid.UUID
	Keys    []KeyRow
}

// EventRow is a row of events, decoded.
type EventRow struct {
	Grain       boxoffice.Grain
	Version     int64
	Epoch       int64
	OperationID uuid.UUID // zero: caused by time
	At          time.Time
	Data        boxoffice.EventData
}

// EntryRow is a row of ledger_entries, of a user's account.
type EntryRow struct {
	TransactionID uuid.UUID
	UserID        uuid.UUID
	Type          boxoffice.EntryType
	Amount        int64
	BalanceAfter  int64
}

// KeyRow is a row of idempotency_keys.
type KeyRow struct {
	UserID      uuid.UUID
	Operation   string // method and route pattern
	Key         string
	OperationID uuid.UUID
	Outcome     boxoffice.Outcome
}

// Violation is one promise that was broken, with the evidence.
type Violation struct {
	Check  string `json:"check"`  // the name of the check
	Detail string `json:"detail"` // what is wrong, for a person
	// Operations are the numbers of the operations that show it.
	Operations []int `json:"operations,omitempty"`
}
