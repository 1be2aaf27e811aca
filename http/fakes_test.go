package http

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// holding is what a hold is asked with.
type holding struct {
	boxoffice.Operation

	Admission  boxoffice.Admission
	SeatNumber int
}

// selling is what a release, a payment or a cancellation is asked with.
type selling struct {
	boxoffice.Operation

	ID     uuid.UUID // of the reservation or the payment
	UserID uuid.UUID
}

// fakes is every interface that the API consumes. A test sets the functions that it
// expects to be called; a call of any other fails it.
type fakes struct {
	t testing.TB

	now            func() time.Time
	ready          func() error
	createUser     func(boxoffice.User) error
	user           func(uuid.UUID) (boxoffice.User, error)
	balance        func(uuid.UUID) (int64, error)
	charge         func(boxoffice.Operation, uuid.UUID, int64, time.Time) (boxoffice.Outcome, error)
	history        func(uuid.UUID, boxoffice.PageRequest) (boxoffice.Page[boxoffice.LedgerEntry], error)
	concerts       func(boxoffice.PageRequest) (boxoffice.Page[boxoffice.Concert], error)
	concert        func(int64) (boxoffice.Concert, error)
	schedules      func(boxoffice.ScheduleFilter, time.Time, boxoffice.PageRequest) (boxoffice.Page[boxoffice.ScheduleInfo], error)
	schedule       func(int64) (boxoffice.ScheduleInfo, error)
	createConcert  func(boxoffice.NewConcert) (boxoffice.Concert, error)
	createSchedule func(boxoffice.NewSchedule, time.Time) (boxoffice.ScheduleInfo, error)
	reservation    func(uuid.UUID, time.Time) (boxoffice.Reservation, error)
	reservations   func(uuid.UUID, boxoffice.ReservationStatus, time.Time, boxoffice.PageRequest) (boxoffice.Page[boxoffice.Reservation], error)
	payment        func(uuid.UUID) (boxoffice.Payment, error)
	payments       func(uuid.UUID, boxoffice.PageRequest) (boxoffice.Page[boxoffice.Payment], error)
	storedAnswer   func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error)
	hold           func(int64, holding) (boxoffice.Outcome, error)
	release        func(int64, selling) (boxoffice.Outcome, error)
	pay            func(int64, selling) (boxoffice.Outcome, error)
	cancelSale     func(int64, selling) (boxoffice.Outcome, error)
	seatMap        func(int64, *boxoffice.Admission) (*boxoffice.SeatMap, error)
	join           func(int64, uuid.UUID) (boxoffice.Place, bool, error)
	followSeats    func(int64, *boxoffice.Admission, int64) (boxoffice.SeatNews, error)
	place          func(int64, boxoffice.PlaceRef) (boxoffice.Place, error)
	followPlace    func(int64, boxoffice.PlaceRef) (boxoffice.Place, <-chan struct{}, error)
	leave          func(int64, boxoffice.PlaceRef) error
	queueStatus    func(int64) (boxoffice.QueueStatus, error)
	configureQueue func(int64, boxoffice.Configure) (boxoffice.QueueStatus, error)
	members        []Member
	grains         []GrainCount
}

func (f *fakes) Members() []Member    { return f.members }
func (f *fakes) Grains() []GrainCount { return f.grains }

// called fails the test if a function that it did not set is needed.
func called[F any](f *fakes, name string, set bool, fn F) F {
	f.t.Helper()
	if !set {
		f.t.Errorf("%s was called", name)
	}
	return fn
}

func (f *fakes) Now() time.Time { return f.now() }

func (f *fakes) Ready(context.Context) error {
	return called(f, "Ready", f.ready != nil, f.ready)()
}

func (f *fakes) CreateUser(_ context.Context, user boxoffice.User) error {
	return called(f, "CreateUser", f.createUser != nil, f.createUser)(user)
}

func (f *fakes) User(_ context.Context, id uuid.UUID) (boxoffice.User, error) {
	return called(f, "User", f.user != nil, f.user)(id)
}

func (f *fakes) Balance(_ context.Context, id uuid.UUID) (int64, error) {
	return called(f, "Balance", f.balance != nil, f.balance)(id)
}

func (f *fakes) Charge(_ context.Context, op boxoffice.Operation, id uuid.UUID, amount int64, now time.Time) (boxoffice.Outcome, error) {
	return called(f, "Charge", f.charge != nil, f.charge)(op, id, amount, now)
}

func (f *fakes) PointsHistory(_ context.Context, id uuid.UUID, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.LedgerEntry], error) {
	return called(f, "PointsHistory", f.history != nil, f.history)(id, page)
}

func (f *fakes) Concerts(_ context.Context, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Concert], error) {
	return called(f, "Concerts", f.concerts != nil, f.concerts)(page)
}

func (f *fakes) Concert(_ context.Context, id int64) (boxoffice.Concert, error) {
	return called(f, "Concert", f.concert != nil, f.concert)(id)
}

func (f *fakes) Schedules(_ context.Context, filter boxoffice.ScheduleFilter, now time.Time, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.ScheduleInfo], error) {
	return called(f, "Schedules", f.schedules != nil, f.schedules)(filter, now, page)
}

func (f *fakes) Schedule(_ context.Context, id int64) (boxoffice.ScheduleInfo, error) {
	return called(f, "Schedule", f.schedule != nil, f.schedule)(id)
}

func (f *fakes) CreateConcert(_ context.Context, concert boxoffice.NewConcert) (boxoffice.Concert, error) {
	return called(f, "CreateConcert", f.createConcert != nil, f.createConcert)(concert)
}

func (f *fakes) CreateSchedule(_ context.Context, schedule boxoffice.NewSchedule, now time.Time) (boxoffice.ScheduleInfo, error) {
	return called(f, "CreateSchedule", f.createSchedule != nil, f.createSchedule)(schedule, now)
}

func (f *fakes) Reservation(_ context.Context, id uuid.UUID, now time.Time) (boxoffice.Reservation, error) {
	return called(f, "Reservation", f.reservation != nil, f.reservation)(id, now)
}

func (f *fakes) UserReservations(_ context.Context, id uuid.UUID, status boxoffice.ReservationStatus, now time.Time, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Reservation], error) {
	return called(f, "UserReservations", f.reservations != nil, f.reservations)(id, status, now, page)
}

func (f *fakes) Payment(_ context.Context, id uuid.UUID) (boxoffice.Payment, error) {
	return called(f, "Payment", f.payment != nil, f.payment)(id)
}

func (f *fakes) UserPayments(_ context.Context, id uuid.UUID, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Payment], error) {
	return called(f, "UserPayments", f.payments != nil, f.payments)(id, page)
}

func (f *fakes) StoredAnswer(_ context.Context, key boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
	return called(f, "StoredAnswer", f.storedAnswer != nil, f.storedAnswer)(key)
}

func (f *fakes) Hold(_ context.Context, id int64, op boxoffice.Operation, admission boxoffice.Admission, seatNumber int) (boxoffice.Outcome, error) {
	return called(f, "Hold", f.hold != nil, f.hold)(id, holding{op, admission, seatNumber})
}

func (f *fakes) Release(_ context.Context, id int64, op boxoffice.Operation, reservationID, userID uuid.UUID) (boxoffice.Outcome, error) {
	return called(f, "Release", f.release != nil, f.release)(id, selling{op, reservationID, userID})
}

func (f *fakes) Pay(_ context.Context, id int64, op boxoffice.Operation, reservationID, userID uuid.UUID) (boxoffice.Outcome, error) {
	return called(f, "Pay", f.pay != nil, f.pay)(id, selling{op, reservationID, userID})
}

func (f *fakes) CancelSale(_ context.Context, id int64, op boxoffice.Operation, paymentID, userID uuid.UUID) (boxoffice.Outcome, error) {
	return called(f, "CancelSale", f.cancelSale != nil, f.cancelSale)(id, selling{op, paymentID, userID})
}

func (f *fakes) SeatMap(_ context.Context, id int64, admission *boxoffice.Admission) (*boxoffice.SeatMap, error) {
	return called(f, "SeatMap", f.seatMap != nil, f.seatMap)(id, admission)
}

func (f *fakes) Join(_ context.Context, id int64, user uuid.UUID) (boxoffice.Place, bool, error) {
	return called(f, "Join", f.join != nil, f.join)(id, user)
}

func (f *fakes) FollowSeats(_ context.Context, id int64, admission *boxoffice.Admission, since int64) (boxoffice.SeatNews, error) {
	return called(f, "FollowSeats", f.followSeats != nil, f.followSeats)(id, admission, since)
}

func (f *fakes) Place(_ context.Context, id int64, ref boxoffice.PlaceRef) (boxoffice.Place, error) {
	return called(f, "Place", f.place != nil, f.place)(id, ref)
}

func (f *fakes) FollowPlace(_ context.Context, id int64, ref boxoffice.PlaceRef) (boxoffice.Place, <-chan struct{}, error) {
	return called(f, "FollowPlace", f.followPlace != nil, f.followPlace)(id, ref)
}

func (f *fakes) Leave(_ context.Context, id int64, ref boxoffice.PlaceRef) error {
	return called(f, "Leave", f.leave != nil, f.leave)(id, ref)
}

func (f *fakes) QueueStatus(_ context.Context, id int64) (boxoffice.QueueStatus, error) {
	return called(f, "QueueStatus", f.queueStatus != nil, f.queueStatus)(id)
}

func (f *fakes) ConfigureQueue(_ context.Context, id int64, configure boxoffice.Configure) (boxoffice.QueueStatus, error) {
	return called(f, "ConfigureQueue", f.configureQueue != nil, f.configureQueue)(id, configure)
}
