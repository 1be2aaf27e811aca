package http

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// The interfaces below are all that this package knows of the rest of the program. Their
// methods fail with a [boxoffice.Error] if the contract has a code for it (unavailable
// included); any other error is answered as internal, except for a context's, which is
// unavailable. A context ends with [requestTimeout]; a stream's also with its client.

// Clock returns the time by which everything is decided: the database's, in UTC and whole
// milliseconds.
type Clock interface{ Now() time.Time }

// Health reports whether the node can serve, and if not, why: the detail of a
// [boxoffice.Error] is shown to the client, other errors are only logged.
type Health interface {
	Ready(ctx context.Context) error
}

// Users are all users ever registered.
type Users interface {
	CreateUser(ctx context.Context, user boxoffice.User) error
	// User fails with user-not-found.
	User(ctx context.Context, id uuid.UUID) (boxoffice.User, error)
}

// Points are the accounts of users.
type Points interface {
	Balance(ctx context.Context, userID uuid.UUID) (int64, error)
	// Charge adds points once per key; op.Key is never zero.
	Charge(ctx context.Context, op boxoffice.Operation, userID uuid.UUID, amount int64, now time.Time) (boxoffice.Outcome, error)
	PointsHistory(ctx context.Context, userID uuid.UUID, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.LedgerEntry], error)
}

// Catalogue is what is played and when. Concerts and schedules are never deleted, and
// what an organiser adds shows within a second.
type Catalogue interface {
	Concerts(ctx context.Context, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Concert], error)
	// Concert fails with concert-not-found.
	Concert(ctx context.Context, id int64) (boxoffice.Concert, error)
	Schedules(ctx context.Context, filter boxoffice.ScheduleFilter, now time.Time, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.ScheduleInfo], error)
	// Schedule fails with schedule-not-found.
	Schedule(ctx context.Context, id int64) (boxoffice.ScheduleInfo, error)
}

// Organiser adds to the catalogue. Both calls fail with invalid-request and every value
// that is wrong.
type Organiser interface {
	CreateConcert(ctx context.Context, concert boxoffice.NewConcert) (boxoffice.Concert, error)
	CreateSchedule(ctx context.Context, schedule boxoffice.NewSchedule, now time.Time) (boxoffice.ScheduleInfo, error)
}

// Reservations are all reservations ever made, as of now.
type Reservations interface {
	// Reservation fails with reservation-not-found.
	Reservation(ctx context.Context, id uuid.UUID, now time.Time) (boxoffice.Reservation, error)
	// UserReservations lists those of one status, or all if it is empty, newest first.
	UserReservations(ctx context.Context, userID uuid.UUID, status boxoffice.ReservationStatus, now time.Time, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Reservation], error)
}

// Payments are all payments ever made.
type Payments interface {
	// Payment fails with payment-not-found.
	Payment(ctx context.Context, id uuid.UUID) (boxoffice.Payment, error)
	UserPayments(ctx context.Context, userID uuid.UUID, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Payment], error)
}

// Answers are the stored answers of requests that came with an idempotency key.
type Answers interface {
	// StoredAnswer returns the answer that this very request got, if one is stored. It
	// fails with idempotency-key-reused if the key belongs to another request.
	StoredAnswer(ctx context.Context, key boxoffice.IdempotencyKey) (outcome boxoffice.Outcome, found bool, err error)
}

// Seats decide what happens to the seats of a schedule. A refusal comes as an error or in
// the outcome. A call without an answer gives up within 5 s by itself.
type Seats interface {
	// Hold makes a new reservation, and sets its time to live itself.
	Hold(ctx context.Context, scheduleID int64, op boxoffice.Operation, admission boxoffice.Admission, seatNumber int) (boxoffice.Outcome, error)
	Release(ctx context.Context, scheduleID int64, op boxoffice.Operation, reservationID, userID uuid.UUID) (boxoffice.Outcome, error)
	// Pay makes a new payment.
	Pay(ctx context.Context, scheduleID int64, op boxoffice.Operation, reservationID, userID uuid.UUID) (boxoffice.Outcome, error)
	CancelSale(ctx context.Context, scheduleID int64, op boxoffice.Operation, paymentID, userID uuid.UUID) (boxoffice.Outcome, error)
}

// SeatMaps shows the seats of a schedule to those who may see them.
type SeatMaps interface {
	// SeatMap fails with queue-token-expired if the admission has ended. A nil admission is
	// an admin's. The map is shared and must not be changed.
	SeatMap(ctx context.Context, scheduleID int64, admission *boxoffice.Admission) (*boxoffice.SeatMap, error)
	// FollowSeats returns what is new after version since (< 0: everything), and when to
	// ask again. It fails like SeatMap.
	FollowSeats(ctx context.Context, scheduleID int64, admission *boxoffice.Admission, since int64) (boxoffice.SeatNews, error)
}

// WaitingRooms are the lines in front of the schedules.
type WaitingRooms interface {
	// Join returns the user's live place, or a new one at the end of the line.
	Join(ctx context.Context, scheduleID int64, userID uuid.UUID) (place boxoffice.Place, created bool, err error)
	// Place returns the current state of a place, whose holder then counts as seen. It
	// fails with queue-token-expired if the place has ended.
	Place(ctx context.Context, scheduleID int64, ref boxoffice.PlaceRef) (boxoffice.Place, error)
	// FollowPlace does the same, and also returns a channel that is closed when it is worth
	// asking again.
	FollowPlace(ctx context.Context, scheduleID int64, ref boxoffice.PlaceRef) (place boxoffice.Place, changed <-chan struct{}, err error)
	// Leave ends a place.
	Leave(ctx context.Context, scheduleID int64, ref boxoffice.PlaceRef) error
}

// Queues are the public views of the waiting rooms.
type Queues interface {
	QueueStatus(ctx context.Context, scheduleID int64) (boxoffice.QueueStatus, error)
	ConfigureQueue(ctx context.Context, scheduleID int64, configure boxoffice.Configure) (boxoffice.QueueStatus, error)
}

// Cluster returns the nodes and the grains of each, as far as this node knows.
type Cluster interface {
	Members() []Member
	Grains() []GrainCount
}

// Member is a node.
type Member struct {
	ID        string
	Address   string // where the other nodes reach it
	StartedAt time.Time
	Ready     bool // takes grains
}

// GrainCount is the number of active grains of a kind on a member.
type GrainCount struct {
	Kind   string `json:"kind" enum:"schedule,gatekeeper"`
	Count  int    `json:"count"`
	Member string `json:"member" doc:"its id"`
}

// Config is what the API needs. Every field is required unless it says otherwise.
type Config struct {
	Log   *slog.Logger
	Clock Clock
	// Stopwatch reads the process's own clock (time.Now). It measures durations and
	// paces the rate limit; nothing is decided by it.
	Stopwatch func() time.Time
	Keys      *Keys
	Health    Health
	// Metrics answers GET /metrics.
	Metrics http.Handler
	// Observe, if not nil, is called for every answered request: its route's pattern
	// ("unmatched" if there is none), method ("other" if it is not a usual one), status,
	// and how long the answer took, for a stream until it was open.
	Observe func(route, method string, status int, duration time.Duration)

	Users        Users
	Points       Points
	Catalogue    Catalogue
	Organiser    Organiser
	Reservations Reservations
	Payments     Payments
	Answers      Answers
	Seats        Seats
	SeatMaps     SeatMaps
	WaitingRooms WaitingRooms
	Queues       Queues
	Cluster      Cluster

	// RateLimit is how many requests per second one client address may make, with a burst
	// of one second. 0: any number. Requests for health, metrics, keys and the
	// documentation do not count.
	RateLimit int
	// TrustedProxies are the networks of the load balancers whose X-Forwarded-For
	// identifies the client, for the limit and the log. Empty: the client is the
	// connection's peer.
	TrustedProxies []netip.Prefix
	// MaxStreams bounds the streams of events that are open at a time; further ones are
	// refused as unavailable. 0: 20 000.
	MaxStreams int
	// AccessTokenTTL is how long the token of a registration is valid. 0: 24 hours.
	AccessTokenTTL time.Duration
	// Version is the program's, for the OpenAPI document. Empty: "development".
	Version string
}

const defaultAccessTokenTTL = 24 * time.Hour

// withDefaults returns the configuration with defaults filled in, or an error that names
// what is missing.
func (c Config) withDefaults() (Config, error) {
	required := map[string]bool{
		"Log": c.Log != nil, "Clock": c.Clock != nil, "Stopwatch": c.Stopwatch != nil,
		"Keys": c.Keys != nil, "Health": c.Health != nil, "Metrics": c.Metrics != nil,
		"Users": c.Users != nil, "Points": c.Points != nil, "Catalogue": c.Catalogue != nil,
		"Organiser": c.Organiser != nil, "Reservations": c.Reservations != nil,
		"Payments": c.Payments != nil, "Answers": c.Answers != nil, "Seats": c.Seats != nil,
		"SeatMaps": c.SeatMaps != nil, "WaitingRooms": c.WaitingRooms != nil, "Queues": c.Queues != nil,
		"Cluster": c.Cluster != nil,
	}
	for name, given := range required {
		if !given {
			return c, errors.New("http: Config." + name + " is missing")
		}
	}
	if c.RateLimit < 0 || c.AccessTokenTTL < 0 || c.MaxStreams < 0 {
		return c, errors.New("http: Config.RateLimit, Config.MaxStreams and Config.AccessTokenTTL must not be negative")
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = defaultMaxStreams
	}
	if c.AccessTokenTTL == 0 {
		c.AccessTokenTTL = defaultAccessTokenTTL
	}
	if c.Version == "" {
		c.Version = "development"
	}
	if c.Observe == nil {
		c.Observe = func(string, string, int, time.Duration) {}
	}
	return c, nil
}
