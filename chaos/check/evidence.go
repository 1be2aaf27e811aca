package check

import (
	"math"
	"time"

	"github.com/google/uuid"

	"boxoffice/chaos/history"
)

// Never is the return time of an operation that nobody was told about: it may have
// happened at any time after its call.
const Never = time.Duration(math.MaxInt64)

// Evidence is what a run left behind.
type Evidence struct {
	Operations []history.Operation // by call
	State      State
	// Zero is what the database's clock said when the history's clock was zero.
	Zero time.Time
}

// Since is a time of the database on the history's clock.
func (e Evidence) Since(t time.Time) time.Duration { return t.Sub(e.Zero) }

// Limits are what the service was run with and how exactly it can be judged.
type Limits struct {
	// Epsilon is how far a node's idea of the database's time and the history's clock may
	// be apart: what happens that close to an expiry may go either way.
	Epsilon time.Duration
	// Staleness is how old a seat map or a place may be when it is shown.
	Staleness    time.Duration
	HoldTTL      time.Duration
	AdmissionTTL time.Duration
	ClaimTTL     time.Duration
	// Patience is how long the search for a linearization may take, in all.
	Patience time.Duration
}

// Effect is what came of one request of one meaning: of an operation, or of all the
// operations that were sent with one idempotency key.
type Effect struct {
	Kind    history.Kind
	Request history.Request
	OK      bool
	Created bool // 201
	Code    string
	Answer  history.Answer
	Client  int
	Node    int
	// Call is that of the first operation, Return that of the first answer, or Never.
	Call, Return time.Duration
	Operations   []int
}

// told reports whether any client has learned of the effect.
func (f Effect) told() bool { return f.Return != Never }

// facts is an index over the events of all schedules and waiting rooms.
type facts struct {
	held      map[uuid.UUID]heldFact // by reservation
	confirmed map[uuid.UUID]soldFact // by reservation
	cancelled map[uuid.UUID]fact     // by reservation
	released  map[uuid.UUID]fact     // by reservation
	expired   map[uuid.UUID]fact     // by reservation
	payments  map[uuid.UUID]uuid.UUID
	left      map[placeID]fact
	completed map[placeID]fact // by a payment, which the waiting room may hear of late
	// seats counts the events that changed a seat, by schedule, in order.
	seats map[int64][]EventRow
	rooms map[int64][]EventRow
}

// fact is when something happened and as which change of its schedule's seats.
type fact struct {
	at          time.Duration // on the history's clock
	change      int           // the n-th change of a seat of its schedule, from 1
	operationID uuid.UUID
}

type heldFact struct {
	fact
	scheduleID int64
	seatNumber int
	userID     uuid.UUID
	sequence   uint64
	expires    time.Duration // on the history's clock
}

type soldFact struct {
	fact
	paymentID uuid.UUID
	amount    int64
}

type placeID struct {
	scheduleID int64
	sequence   uint64
}
