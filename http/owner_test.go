package http

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

const (
	payTarget = "/api/v1/payments"
	payBody   = `{"reservationId":"01939d3a-5c6e-7c33-8f00-5b2f6d1c9e05"}`
)

var (
	reservationTarget  = "/api/v1/reservations/" + thingID.String()
	paymentTarget      = "/api/v1/payments/" + thingID.String()
	cancellationTarget = paymentTarget + "/cancellation"
)

func ownedBy(f *fixture, owner uuid.UUID) {
	f.reservation = func(uuid.UUID, time.Time) (boxoffice.Reservation, error) {
		reservation := held()
		reservation.UserID = owner
		return reservation, nil
	}
	f.payment = func(uuid.UUID) (boxoffice.Payment, error) {
		payment := paid()
		payment.UserID = owner
		return payment, nil
	}
}

func TestSomebodyElsesIsNotFound(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ownedBy(f, otherID)
	for _, caller := range []option{f.as(userID), f.admin()} {
		f.do("DELETE", reservationTarget, "", caller).refused(404, boxoffice.CodeReservationNotFound)
		f.do("POST", payTarget, payBody, caller, key("k")).refused(404, boxoffice.CodeReservationNotFound)
		f.do("POST", cancellationTarget, "", caller, key("k")).refused(404, boxoffice.CodePaymentNotFound)
	}
	f.do("GET", reservationTarget, "", f.as(userID)).refused(404, boxoffice.CodeReservationNotFound)
	f.do("GET", paymentTarget, "", f.as(userID)).refused(404, boxoffice.CodePaymentNotFound)
	require.Equal(t, 200, f.do("GET", reservationTarget, "", f.admin()).Code)
	require.Equal(t, 200, f.do("GET", paymentTarget, "", f.admin()).Code)
}

func TestAnAdminOnlyReadsEvenTheirOwn(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ownedBy(f, adminID)
	f.do("DELETE", reservationTarget, "", f.admin()).refused(403, boxoffice.CodeForbidden)
	f.do("POST", payTarget, payBody, f.admin(), key("k")).refused(403, boxoffice.CodeForbidden)
	f.do("POST", cancellationTarget, "", f.admin(), key("k")).refused(403, boxoffice.CodeForbidden)
	f.do("POST", "/api/v1/users/"+adminID.String()+"/points/charges", `{"amount":5}`, f.admin(), key("k")).refused(403, boxoffice.CodeForbidden)
	f.do("POST", joinTarget, "", f.admin()).refused(403, boxoffice.CodeForbidden)
}

func TestAnAdminReadsAnyUser(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, s := range append(userSamples(), saleSamples()...) {
		if s.method != http.MethodGet || !strings.Contains(s.target, userID.String()) {
			continue
		}
		if s.arrange != nil {
			s.arrange(f)
		}
		f.do("GET", s.target, "", f.admin()).succeeded(200, s.want)
		f.do("GET", strings.Replace(s.target, userID.String(), strangeID.String(), 1), "", f.admin()).refused(404, boxoffice.CodeUserNotFound)
		f.do("GET", strings.Replace(s.target, userID.String(), "x", 1), "", f.admin()).refused(404, boxoffice.CodeUserNotFound)
		f.do("GET", strings.Replace(s.target, userID.String(), strangeID.String(), 1), "", f.as(strangeID)).refused(404, boxoffice.CodeUserNotFound)
	}
}

// What is no id names nothing, and nothing is looked up.
func TestMalformedIDsAreNotFound(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, id := range []string{"x", "7", "%00", "%ff", thingID.String() + "0", strings.ReplaceAll(thingID.String(), "-", ""), "%7b" + thingID.String() + "%7d", uuid.Nil.String()} {
		for _, caller := range []option{f.as(userID), f.admin()} {
			f.do("GET", "/api/v1/reservations/"+id, "", caller).refused(404, boxoffice.CodeReservationNotFound)
			f.do("DELETE", "/api/v1/reservations/"+id, "", caller).refused(404, boxoffice.CodeReservationNotFound)
			f.do("GET", "/api/v1/payments/"+id, "", caller).refused(404, boxoffice.CodePaymentNotFound)
			f.do("POST", "/api/v1/payments/"+id+"/cancellation", "", caller, key("k")).refused(404, boxoffice.CodePaymentNotFound)
		}
	}
	for _, id := range []string{"0", "-7", "+7", "07", "7.0", "7e0", "9223372036854775808", "x", "%00", "%ff", "%20", "７"} {
		f.do("GET", "/api/v1/schedules/"+id, "").refused(404, boxoffice.CodeScheduleNotFound)
		f.do("GET", "/api/v1/schedules/"+id+"/queue", "").refused(404, boxoffice.CodeScheduleNotFound)
		f.do("GET", "/api/v1/concerts/"+id, "").refused(404, boxoffice.CodeConcertNotFound)
	}
	f.do("GET", "/api/v1/schedules/%37", "").succeeded(200, scheduleText)
}

func TestReleaseCanAlwaysBeRepeated(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, status := range []boxoffice.ReservationStatus{boxoffice.ReservationExpired, boxoffice.ReservationReleased, boxoffice.ReservationCancelled} {
		f.reservation = func(uuid.UUID, time.Time) (boxoffice.Reservation, error) {
			reservation := held()
			reservation.Status = status
			return reservation, nil
		}
		require.Equal(t, 204, f.do("DELETE", reservationTarget, "", f.as(userID)).Code)
	}
	ownedBy(f, userID)
	for _, test := range []struct {
		outcome boxoffice.Outcome
		err     error
	}{
		{outcome: boxoffice.Outcome{Refusal: boxoffice.Errorf(boxoffice.CodeAlreadyPaid, "paid")}},
		{err: boxoffice.Errorf(boxoffice.CodeAlreadyPaid, "paid")},
	} {
		f.release = func(id int64, cmd selling) (boxoffice.Outcome, error) {
			require.Equal(t, int64(knownSchedule), id)
			require.Equal(t, thingID, cmd.ID)
			require.Equal(t, userID, cmd.UserID)
			require.NotEqual(t, uuid.Nil, cmd.ID)
			return test.outcome, test.err
		}
		f.do("DELETE", reservationTarget, "", f.as(userID)).refused(409, boxoffice.CodeAlreadyPaid)
	}
}

func TestReservationsThatAreOver(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.reservation = func(uuid.UUID, time.Time) (boxoffice.Reservation, error) {
		reservation := held()
		reservation.Status, reservation.PaymentID = boxoffice.ReservationConfirmed, thingID
		return reservation, nil
	}
	body := decode[map[string]any](f.do("GET", reservationTarget, "", f.as(userID)))
	require.Equal(t, "confirmed", body["status"])
	require.Equal(t, thingID.String(), body["paymentId"])
	for _, name := range []string{"expiresAt", "expiresInSeconds"} {
		require.Contains(t, body, name)
		require.Nil(t, body[name])
	}
}

func TestListsPassOnWhatIsAsked(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.reservations = func(id uuid.UUID, status boxoffice.ReservationStatus, now time.Time, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Reservation], error) {
		require.Equal(t, userID, id)
		require.Equal(t, boxoffice.ReservationConfirmed, status)
		require.Equal(t, start, now)
		require.Equal(t, boxoffice.PageRequest{Limit: 3, Cursor: "abc"}, page)
		return boxoffice.Page[boxoffice.Reservation]{}, boxoffice.Invalid("query.cursor", "is none of this list")
	}
	p := f.do("GET", userPath("reservations?status=confirmed&limit=3&cursor=abc"), "", f.as(userID)).refused(422, boxoffice.CodeInvalidRequest)
	require.Equal(t, []valueError{{"query.cursor", "is none of this list"}}, p.Errors)
}

func TestRefusalsSayWhatTheContractPromises(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ownedBy(f, userID)
	f.pay = func(int64, selling) (boxoffice.Outcome, error) {
		return boxoffice.Outcome{Refusal: &boxoffice.Error{Code: boxoffice.CodeInsufficientPoints, Detail: "too few", Balance: 0, Amount: 12_000}}, nil
	}
	p := f.do("POST", payTarget, payBody, f.as(userID), key("k")).refused(402, boxoffice.CodeInsufficientPoints)
	require.Equal(t, int64(0), *p.Balance)
	require.Equal(t, int64(12_000), *p.Amount)

	f.hold = func(int64, holding) (boxoffice.Outcome, error) {
		return boxoffice.Outcome{Refusal: boxoffice.Errorf(boxoffice.CodeSeatTaken, "taken")}, nil
	}
	a := f.do("POST", holdTarget, `{"seatNumber":1}`, f.as(userID), f.queue(admittedClaims()))
	a.refused(409, boxoffice.CodeSeatTaken)
	require.Contains(t, a.Body.String(), `"availableSeats":[]`)

	f.charge = func(boxoffice.Operation, uuid.UUID, int64, time.Time) (boxoffice.Outcome, error) {
		return boxoffice.Outcome{Refusal: boxoffice.Errorf(boxoffice.CodeBalanceLimit, "too much")}, nil
	}
	a = f.do("POST", userPath("points/charges"), `{"amount":5}`, f.as(userID), key("k"))
	a.refused(422, boxoffice.CodeBalanceLimit)
	for _, member := range []string{"errors", "balance", "amount", "availableSeats"} {
		require.NotContains(t, a.Body.String(), `"`+member+`"`)
	}
}

func TestEveryRefusalOfASaleHasItsStatus(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ownedBy(f, userID)
	refusal := func(code boxoffice.Code) boxoffice.Outcome {
		return boxoffice.Outcome{Refusal: boxoffice.Errorf(code, "refused")}
	}
	for code, status := range map[boxoffice.Code]int{boxoffice.CodeAlreadyReserved: 409, boxoffice.CodeSalesClosed: 409, boxoffice.CodeSeatTaken: 409} {
		f.hold = func(int64, holding) (boxoffice.Outcome, error) { return refusal(code), nil }
		f.do("POST", holdTarget, `{"seatNumber":1}`, f.as(userID), f.queue(admittedClaims())).refused(status, code)
	}
	for code, status := range map[boxoffice.Code]int{boxoffice.CodeAlreadyPaid: 409, boxoffice.CodeHoldExpired: 410, boxoffice.CodeReservationNotFound: 404, boxoffice.CodeIdempotencyKeyReused: 422} {
		f.pay = func(int64, selling) (boxoffice.Outcome, error) { return refusal(code), nil }
		f.do("POST", payTarget, payBody, f.as(userID), key("k")).refused(status, code)
	}
	for code, status := range map[boxoffice.Code]int{boxoffice.CodeAlreadyCancelled: 409, boxoffice.CodeCancellationClosed: 409, boxoffice.CodePaymentNotFound: 404} {
		f.cancelSale = func(int64, selling) (boxoffice.Outcome, error) { return refusal(code), nil }
		f.do("POST", cancellationTarget, "", f.as(userID), key("k")).refused(status, code)
	}
}

// A hold that the caller had already is told with 200, without a Location.
func TestTheSameHoldAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.hold = func(int64, holding) (boxoffice.Outcome, error) {
		return boxoffice.Outcome{At: start, Reservation: new(held())}, nil
	}
	f.do("POST", holdTarget, `{"seatNumber":17}`, f.as(userID), f.queue(admittedClaims())).succeeded(200, heldText)
}

func TestRegistrationGivesATokenThatWorks(t *testing.T) {
	t.Parallel()
	f := setup(t, func(config *Config) { config.AccessTokenTTL = time.Hour })
	var made boxoffice.User
	f.createUser = func(user boxoffice.User) error { made = user; return nil }
	a := f.do("POST", "/api/v1/users", `{"name":"  Zoë 🎸 "}`)
	registration := decode[registrationJSON](a)
	require.Equal(t, boxoffice.User{ID: registration.UserID, Name: "  Zoë 🎸 ", CreatedAt: start}, made)
	require.Equal(t, uuid.Version(7), made.ID.Version())
	require.Equal(t, "/api/v1/users/"+made.ID.String(), a.Header().Get("Location"))
	require.Contains(t, a.Body.String(), `"accessTokenExpiresAt":"2026-11-21T10:00:00.000Z"`)
	bearer := with("Authorization", "bearer  "+registration.AccessToken)
	f.balance = func(id uuid.UUID) (int64, error) {
		require.Equal(t, made.ID, id)
		return 0, nil
	}
	f.user = nil // this node knows the user already
	f.do("GET", "/api/v1/users/"+made.ID.String()+"/points", "", bearer).succeeded(200, `{"balance":0}`)
	f.now = func() time.Time { return start.Add(time.Hour) }
	f.do("GET", "/api/v1/users/"+made.ID.String()+"/points", "", bearer).refused(401, boxoffice.CodeUnauthenticated)

	f.createUser = func(boxoffice.User) error { return errors.New("disk full") }
	f.do("POST", "/api/v1/users", `{"name":"x"}`).refused(500, boxoffice.CodeInternal)
}

// A hold whose time is over may be paid by then: its schedule is asked before it is called
// expired.
func TestAHoldThatIsOverIsSettledBeforeItIsShown(t *testing.T) {
	t.Parallel()
	f := setup(t)
	over, paid := held(), held()
	over.ExpiresAt = start
	paid.Status, paid.ExpiresAt = boxoffice.ReservationConfirmed, time.Time{}
	settled := false
	f.reservation = func(_ uuid.UUID, now time.Time) (boxoffice.Reservation, error) {
		switch {
		case settled:
			return paid, nil
		case now.IsZero():
			return over, nil
		}
		t.Error("it was shown before it was settled")
		return over, nil
	}
	f.reservations = func(_ uuid.UUID, status boxoffice.ReservationStatus, now time.Time, _ boxoffice.PageRequest) (boxoffice.Page[boxoffice.Reservation], error) {
		shown := over
		switch {
		case settled:
			shown = paid
		case !now.IsZero():
			shown.Status = boxoffice.ReservationExpired
		default:
			require.Equal(t, boxoffice.ReservationHeld, status)
		}
		return boxoffice.Page[boxoffice.Reservation]{Items: []boxoffice.Reservation{shown}}, nil
	}
	f.release = func(scheduleID int64, cmd selling) (boxoffice.Outcome, error) {
		require.Equal(t, over.ScheduleID, scheduleID)
		require.Equal(t, uuid.Nil, cmd.ID)
		settled = true
		return boxoffice.Outcome{}, nil
	}
	for _, target := range []string{"/api/v1/reservations/" + over.ID.String(), "/api/v1/users/" + userID.String() + "/reservations"} {
		settled = false
		a := f.do("GET", target, "", f.as(userID))
		require.Equal(t, 200, a.Code)
		require.Contains(t, a.Body.String(), `"confirmed"`)
	}
}
