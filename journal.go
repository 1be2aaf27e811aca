package boxoffice

import (
	"errors"
	"time"

	"github.com/google/uuid"
)

// Kind names a kind of grain, in the cluster and in Postgres.
type Kind string

// The kinds of grain. There is one of each per schedule, with the schedule's id.
const (
	KindSchedule   Kind = "schedule"
	KindGatekeeper Kind = "gatekeeper"
)

// Grain is the identity of one grain.
type Grain struct {
	Kind Kind
	ID   int64
}

// Commit is what a grain asks the journal to make durable: all of it or nothing.
//
// The journal applies it only if Epoch is still the grain's newest epoch and Version
// its newest version (the fence), and together with the events it writes every row
// that they imply: reservations, payments, ledger entries, balances, places in line.
type Commit struct {
	Grain   Grain
	Epoch   int64
	Version int64 // of the state that was decided on
	Events  []Event
	// Answers are the answers to operations with an idempotency key.
	Answers []Answer
	// Snapshot, if not nil, is the encoded state after Events.
	Snapshot []byte
}

// IdempotencyKey is the scope of "the same request": one user, one operation of the
// API ("POST /api/v1/payments"), one key, and the digest of what was asked.
type IdempotencyKey struct {
	UserID    uuid.UUID
	Operation string   // method and route pattern
	Key       string   // 1–255 printable ASCII characters
	Digest    [32]byte // SHA-256 of path parameters and canonical body
}

// IsZero reports whether the operation came without a key.
func (k IdempotencyKey) IsZero() bool { return k.Key == "" }

// Answer is an outcome that is stored under an idempotency key in the transaction of
// its effect.
type Answer struct {
	OperationID uuid.UUID
	Key         IdempotencyKey
	Outcome     Outcome
}

// CommitResult is the result of a commit. With Err nil and no Refusals it is durable.
type CommitResult struct {
	// Err is nil, or wraps ErrFenced, or wraps ErrUnknown: the grain's state is worthless;
	// drop it and activate again under a new epoch. Or it has the code unavailable: nothing
	// was written, the state is still good, and the same commit may be tried again. Any
	// other error is a bug of this program: nothing was written and never will be; drop the
	// state.
	Err error
	// Refusals name the operations that the journal would not take. Nothing of the commit
	// was written; decide again without them, or with what the refusals say.
	Refusals []CommitRefusal
	// Balances holds the balances right after each movement of points of the commit.
	Balances map[Movement]int64
}

// Movement names points that came to an account or went from it: those of a payment, of its
// refund, or of a charge.
type Movement struct {
	ID     uuid.UUID // the payment's, or the id of the charge's entry
	Refund bool
}

// RefusalReason says why the journal would not take an operation.
type RefusalReason int

// The reasons.
const (
	// RefusedPoints: the account cannot pay. Balance is what it has.
	RefusedPoints RefusalReason = iota + 1
	// RefusedKey: the idempotency key already has an answer. Stored is that answer;
	// SameRequest reports whether it was the answer to the same request.
	RefusedKey
	// RefusedPlace: the place in line that a hold was asked with has ended.
	RefusedPlace
	// RefusedPlaceHeld: a place that was to expire has a live hold or has ended in another
	// way. Place is what its row says.
	RefusedPlaceHeld
	// RefusedRepeated: a hold came again whose reservation was made, and has ended since.
	RefusedRepeated
)

// CommitRefusal is one operation that the journal would not take.
type CommitRefusal struct {
	Reason      RefusalReason
	OperationID uuid.UUID
	Balance     int64
	Stored      Outcome   // RefusedKey
	StoredID    uuid.UUID // RefusedKey: the operation that Stored answered
	SameRequest bool      // RefusedKey: the digests are equal
	Place       PlaceRow
}

// PlaceRow is what Postgres holds of an admitted place, to which schedules write as well (a
// hold lengthens it, a payment completes it).
type PlaceRow struct {
	Sequence  uint64
	Status    PlaceStatus
	HeldUntil time.Time // zero without a live hold
}

// EndedPlace is an admitted place in line that has ended.
type EndedPlace struct {
	Sequence uint64
	EndsAt   time.Time // of its admission, as its token says
}

// ScheduleNews is what a schedule's journal says, after one of its versions, about its
// seats and the places in line.
type ScheduleNews struct {
	After          int64 // begins after this version of the schedule's journal; 0: it is everything
	Version        int64 // and is complete up to this one
	AvailableSeats int
	SoldOut        bool
	Places         []PlaceNews // of every place that something happened to: how it stands now
}

// PlaceNews is the state of a place by the schedule's journal.
type PlaceNews struct {
	Sequence  uint64
	Completed bool      // used up by a payment
	HeldUntil time.Time // of its live hold; zero: none
}

// Activation is the fresh ownership of a grain: a new epoch and the version that its
// state was restored at.
type Activation struct {
	Epoch           int64
	Version         int64
	SnapshotVersion int64
}

// Errors of the journal that a grain must act on.
var (
	// ErrFenced: a newer epoch owns the grain.
	ErrFenced = errors.New("fenced by a newer epoch")
	// ErrUnknown: nobody knows whether the commit happened.
	ErrUnknown = errors.New("result of the commit is unknown")
	// ErrNoGrain: the grain's schedule does not exist.
	ErrNoGrain = errors.New("no such grain")
)
