package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the contract's answers hold.
type (
	schedule struct {
		ScheduleID     int64     `json:"scheduleId"`
		ConcertID      int64     `json:"concertId"`
		Title          string    `json:"title"`
		StartsAt       time.Time `json:"startsAt"`
		EndsAt         time.Time `json:"endsAt"`
		TimeZone       string    `json:"timeZone"`
		SalesOpenAt    time.Time `json:"salesOpenAt"`
		SalesCloseAt   time.Time `json:"salesCloseAt"`
		TotalSeats     int       `json:"totalSeats"`
		AvailableSeats int       `json:"availableSeats"`
		Price          int64     `json:"price"`
	}
	place struct {
		Token      string `json:"token"`
		ScheduleID int64  `json:"scheduleId"`
		UserID     string `json:"userId"`
		Status     string `json:"status"`
		Position   int    `json:"position"`
		Ahead      int    `json:"ahead"`
		Waiting    int    `json:"waiting"`
		ETASeconds *struct {
			Min float64 `json:"min"`
			Max float64 `json:"max"`
		} `json:"etaSeconds"`
		PollAfterMS      int        `json:"pollAfterMs"`
		JoinedAt         time.Time  `json:"joinedAt"`
		AdmittedAt       *time.Time `json:"admittedAt"`
		ExpiresAt        time.Time  `json:"expiresAt"`
		ExpiresInSeconds float64    `json:"expiresInSeconds"`
		SoldOut          bool       `json:"soldOut"`
	}
	queue struct {
		State          string `json:"state"`
		Waiting        int    `json:"waiting"`
		Admitted       int    `json:"admitted"`
		Capacity       int    `json:"capacity"`
		AdmitPerSecond int    `json:"admitPerSecond"`
		AvailableSeats int    `json:"availableSeats"`
	}
	seatMap struct {
		ScheduleID int64  `json:"scheduleId"`
		Version    int64  `json:"version"`
		Seats      []seat `json:"seats"`
	}
	seat struct {
		SeatNumber int    `json:"seatNumber"`
		Status     string `json:"status"`
		Price      int64  `json:"price"`
	}
	reservation struct {
		ReservationID    string     `json:"reservationId"`
		ConcertID        int64      `json:"concertId"`
		ScheduleID       int64      `json:"scheduleId"`
		SeatNumber       int        `json:"seatNumber"`
		UserID           string     `json:"userId"`
		Status           string     `json:"status"`
		Price            int64      `json:"price"`
		CreatedAt        time.Time  `json:"createdAt"`
		ExpiresAt        *time.Time `json:"expiresAt"`
		ExpiresInSeconds *float64   `json:"expiresInSeconds"`
		PaymentID        *string    `json:"paymentId"`
	}
	payment struct {
		PaymentID      string     `json:"paymentId"`
		ReservationID  string     `json:"reservationId"`
		ConcertID      int64      `json:"concertId"`
		ScheduleID     int64      `json:"scheduleId"`
		SeatNumber     int        `json:"seatNumber"`
		Amount         int64      `json:"amount"`
		Balance        int64      `json:"balance"`
		Status         string     `json:"status"`
		StartsAt       time.Time  `json:"startsAt"`
		EndsAt         time.Time  `json:"endsAt"`
		PaidAt         time.Time  `json:"paidAt"`
		RefundedAmount *int64     `json:"refundedAmount"`
		CancelledAt    *time.Time `json:"cancelledAt"`
	}
	entry struct {
		EntryID      string    `json:"entryId"`
		Type         string    `json:"type"`
		Amount       int64     `json:"amount"`
		BalanceAfter int64     `json:"balanceAfter"`
		PaymentID    string    `json:"paymentId"`
		CreatedAt    time.Time `json:"createdAt"`
	}
	list[T any] struct {
		Items []T     `json:"items"`
		Next  *string `json:"next"`
	}
)

// seatPrice is what a seat costs where a test does not say otherwise.
const seatPrice = 45_000

// instant writes a time as the contract does.
func instant(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// stage puts a concert on sale once; with replaces members of the schedule.
func (h *house) stage(t *testing.T, with body) schedule {
	t.Helper()
	admin := h.organiser(t)
	concert := admin.must(http.StatusCreated, "POST", "/admin/concerts",
		body{"title": "Night Ferry", "artist": "The Lanterns", "price": seatPrice})
	starts := time.Now().Add(30 * 24 * time.Hour).Truncate(time.Second)
	terms := body{"startsAt": instant(starts), "endsAt": instant(starts.Add(2 * time.Hour)), "timeZone": "Asia/Seoul"}
	maps.Copy(terms, with)
	r := admin.must(http.StatusCreated, "POST", "/admin/concerts/"+concert.text("concertId")+"/schedules", terms)
	return into[schedule](t, r)
}

// itoa writes an id as paths do.
func itoa(id int64) string { return strconv.FormatInt(id, 10) }

func (s schedule) path() string { return "/schedules/" + itoa(s.ScheduleID) }
func (s schedule) me() string   { return s.path() + "/queue-tokens/me" }

// configure changes the schedule's waiting room.
func (h *house) configure(t *testing.T, s schedule, change body) queue {
	t.Helper()
	return into[queue](t, h.organiser(t).must(http.StatusOK, "PATCH", "/admin"+s.path()+"/queue", change))
}

func (h *house) queue(t *testing.T, s schedule) queue {
	t.Helper()
	return into[queue](t, h.nobody(t).get(s.path()+"/queue"))
}

// untilQueue looks at the waiting room until it is as wanted.
func (h *house) untilQueue(t *testing.T, s schedule, why string, wanted func(queue) bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		r, err := h.try("GET", "/api/v1"+s.path()+"/queue", nil)
		if err != nil || r.status != http.StatusOK {
			return false
		}
		got, err := decode[queue](r)
		return err == nil && wanted(got)
	}, soon, pollEvery, why)
}

// join takes a place in line.
func (p *person) join(s schedule) place {
	p.t.Helper()
	r := p.must(http.StatusCreated, "POST", s.path()+"/queue-tokens", nil)
	return p.keepPlace(r)
}

func (p *person) keepPlace(r reply) place {
	p.t.Helper()
	got := into[place](p.t, r)
	p.place = got.Token
	return got
}

// enter takes a place in a line that lets in at once.
func (p *person) enter(s schedule) place {
	p.t.Helper()
	got := p.join(s)
	require.Equal(p.t, "admitted", got.Status)
	return got
}

// poll asks where the place stands.
func (p *person) poll(s schedule) place {
	p.t.Helper()
	return p.keepPlace(p.get(s.me()))
}

// untilAdmitted polls until the place is admitted.
func (p *person) untilAdmitted(s schedule) place {
	p.t.Helper()
	got, err := p.tryUntilAdmitted(s)
	require.NoError(p.t, err)
	return got
}

func (p *person) tryUntilAdmitted(s schedule) (place, error) {
	for deadline := time.Now().Add(soon); ; {
		r, err := p.try("GET", s.me(), nil)
		switch {
		case err != nil:
			return place{}, err
		case r.status != http.StatusOK || time.Now().After(deadline):
			return place{}, fmt.Errorf("the place was not admitted: %d %v", r.status, r.body)
		case r.text("status") == "admitted":
			got, err := decode[place](r)
			p.place = got.Token
			return got, err
		}
		if err := tryWaitUntil(p.t.Context(), time.Now().Add(pollEvery)); err != nil {
			return place{}, err
		}
	}
}

func (p *person) leave(s schedule) {
	p.t.Helper()
	p.must(http.StatusNoContent, "DELETE", s.me(), nil)
}

func (p *person) charge(amount int64) {
	p.t.Helper()
	p.must(http.StatusCreated, "POST", p.path("/points/charges"), body{"amount": amount}, idempotencyKey, newKey())
}

// path is a path below the person's own.
func (p *person) path(below string) string { return "/users/" + p.id + below }

func (p *person) balance() int64 {
	p.t.Helper()
	return into[struct{ Balance int64 }](p.t, p.get(p.path("/points"))).Balance
}

func (p *person) seats(s schedule) seatMap {
	p.t.Helper()
	return into[seatMap](p.t, p.get(s.path()+"/seats"))
}

func (p *person) hold(s schedule, number int) reservation {
	p.t.Helper()
	r := p.must(http.StatusCreated, "POST", s.path()+"/reservations", body{"seatNumber": number})
	return into[reservation](p.t, r)
}

func (p *person) reservation(id string) reservation {
	p.t.Helper()
	return into[reservation](p.t, p.get("/reservations/"+id))
}

func (p *person) pay(reservationID string) payment {
	p.t.Helper()
	r := p.must(http.StatusCreated, "POST", "/payments", body{"reservationId": reservationID}, idempotencyKey, newKey())
	return into[payment](p.t, r)
}

func (p *person) cancel(paymentID string) payment {
	p.t.Helper()
	r := p.must(http.StatusCreated, "POST", "/payments/"+paymentID+"/cancellation", nil, idempotencyKey, newKey())
	return into[payment](p.t, r)
}

// buy goes from the waiting room to the paid seat.
func (p *person) buy(s schedule, number int) payment {
	p.t.Helper()
	p.enter(s)
	return p.pay(p.hold(s, number).ReservationID)
}

// all reads a list to its end, some items at a time.
func all[T any](p *person, path string, limit int) []T {
	p.t.Helper()
	var items []T
	query := fmt.Sprintf("?limit=%d", limit)
	for cursor := ""; ; {
		page := into[list[T]](p.t, p.get(path+query+cursor))
		items = append(items, page.Items...)
		if page.Next == nil {
			return items
		}
		require.Len(p.t, page.Items, limit)
		cursor = "&cursor=" + url.QueryEscape(*page.Next)
	}
}

// statusOf is what the map shows of a seat.
func (m seatMap) statusOf(number int) string { return m.Seats[number-1].Status }
