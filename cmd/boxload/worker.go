package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// worker is one connection.
type worker struct {
	*load
	call  *call
	times *recorder
	rng   *rand.Rand
	open  bool // it starts at fixed times, and not when the last answer came
}

// mix polls, looks or buys.
func (w *worker) mix(next *atomic.Int64) error {
	const polls, looks = 16, 3 // to each other
	w.times.started++
	shows := w.world.schedules
	buys := w.rng.IntN(100) < w.options.purchases
	if !buys && w.rng.IntN(polls+looks) < polls {
		return w.poll()
	}
	if buys {
		if i := int(next.Add(1)) - 1; i < len(shows)*len(shows[0].places) {
			s := shows[i%len(shows)]
			return w.buy(s, s.places[i/len(shows)])
		}
	}
	s := shows[w.rng.IntN(len(shows))]
	_, _, err := w.look(s, s.places[len(s.places)-1], "")
	return err
}

// buy looks, holds and pays, and tries the next seat where somebody was faster.
func (w *worker) buy(s *show, p *placeInLine) error {
	var free []int
	status, err := w.insist(func() (int, error) {
		var status int
		var err error
		free, status, err = w.look(s, p, "")
		return status, err
	})
	for err == nil && status != http.StatusServiceUnavailable && len(free) > 0 {
		status, err = w.insist(func() (int, error) { return w.hold(s, p, free[w.rng.IntN(len(free))]) })
		if err != nil || status == http.StatusServiceUnavailable {
			return err
		}
		if status == http.StatusConflict {
			var problem struct {
				AvailableSeats []int `json:"availableSeats"`
			}
			err = json.Unmarshal(w.call.body(), &problem)
			free = problem.AvailableSeats
			continue
		}
		return w.pay(s, p)
	}
	return err
}

// insist sends a request until it is not shed, waiting as long as the node asks for. At a
// fixed rate a shed request is not repeated.
func (w *worker) insist(send func() (int, error)) (int, error) {
	for {
		status, err := send()
		if err != nil || status != http.StatusServiceUnavailable || w.open {
			return status, err
		}
		w.pause()
	}
}

// pause waits as long as the last answer asks for.
func (w *worker) pause() {
	wait := retryPause
	if seconds, err := strconv.Atoi(w.call.header("Retry-After")); err == nil {
		wait = time.Duration(seconds) * time.Second
	}
	<-time.After(wait)
}

// look reads the seat map and returns the numbers of the free seats.
func (w *worker) look(s *show, p *placeInLine, etag string) (free []int, status int, err error) {
	headers := []string{"Authorization", bearer(p.user.token), "Queue-Token", p.token}
	if etag != "" {
		headers = append(headers, "If-None-Match", etag)
	}
	status, err = w.timed("seats", "GET", "/api/v1/schedules/"+itoa(s.id)+"/seats", nil, headers...)
	if err != nil {
		return nil, 0, err
	}
	switch status {
	case http.StatusNotModified, http.StatusServiceUnavailable:
		return nil, status, nil
	case http.StatusForbidden: // the place was used up: a look of the mix came late
		return nil, status, nil
	case http.StatusOK:
	default:
		return nil, status, w.call.unexpected(status)
	}
	if w.options.scenario != "seats" {
		free, err = freeSeats(w.call.body())
	}
	return free, status, err
}

// freeSeats reads the numbers of the free seats out of a seat map, which is JSON without
// spaces whose seats are flat objects. It is written by hand because the client shares a
// small machine with the servers.
func freeSeats(seatMap []byte) ([]int, error) {
	_, seats, found := bytes.Cut(seatMap, []byte(`"seats":[`))
	if !found {
		return nil, fmt.Errorf("%w: no seat map: %s", errUnexpected, seatMap)
	}
	free := make([]int, 0, seatsPerShow)
	for seat := range bytes.SplitSeq(seats, []byte("}")) {
		if !bytes.Contains(seat, []byte(`"status":"available"`)) {
			continue
		}
		_, number, _ := bytes.Cut(seat, []byte(`"seatNumber":`))
		number, _, _ = bytes.Cut(number, []byte(","))
		n, err := strconv.Atoi(string(number))
		if err != nil {
			return nil, fmt.Errorf("%w: a seat without number: %s", errUnexpected, seat)
		}
		free = append(free, n)
	}
	return free, nil
}

// hold asks for a seat; 409 is an answer like any other.
func (w *worker) hold(s *show, p *placeInLine, seat int) (int, error) {
	status, err := w.timed("hold", "POST", "/api/v1/schedules/"+itoa(s.id)+"/reservations",
		[]byte(`{"seatNumber":`+itoa(seat)+`}`), "Authorization", bearer(p.user.token), "Queue-Token", p.token)
	if err != nil {
		return 0, err
	}
	switch status {
	case http.StatusCreated, http.StatusOK, http.StatusConflict, http.StatusServiceUnavailable:
		return status, nil
	default:
		return status, w.call.unexpected(status)
	}
}

// payLimit is how long a payment is retried.
const payLimit = time.Minute

// pay pays the reservation of the last answer, and tries again if the node is too busy, or,
// at a fixed rate, if no answer came: the key makes that safe, and the result must be known
// to check afterwards what is sold.
func (w *worker) pay(s *show, p *placeInLine) error {
	var held struct {
		ReservationID string `json:"reservationId"`
		Price         int64  `json:"price"`
	}
	if err := json.Unmarshal(w.call.body(), &held); err != nil {
		return err
	}
	key := uuid.NewString()
	for deadline := time.Now().Add(payLimit); ; {
		status, err := w.timed("pay", "POST", "/api/v1/payments", []byte(`{"reservationId":"`+held.ReservationID+`"}`),
			"Authorization", bearer(p.user.token), "Idempotency-Key", key)
		switch {
		case err != nil && w.open && time.Now().Before(deadline):
			w.times.fail(err)
			w.pause()
			continue
		case err != nil:
			return err
		case status == http.StatusServiceUnavailable && time.Now().Before(deadline):
			w.pause()
			continue
		case status != http.StatusCreated:
			return w.call.unexpected(status)
		}
		s.sold.Add(1)
		p.user.spent.Add(held.Price)
		w.times.book()
		return nil
	}
}

// charge charges one point.
func (w *worker) charge(u *user) error {
	status, err := w.timed("charge", "POST", "/api/v1/users/"+u.id+"/points/charges", []byte(`{"amount":1}`),
		"Authorization", bearer(u.token), "Idempotency-Key", uuid.NewString())
	switch {
	case err != nil:
		return err
	case status == http.StatusCreated:
		u.spent.Add(-1)
	case status == http.StatusServiceUnavailable:
		w.pause()
	default:
		return w.call.unexpected(status)
	}
	return nil
}

func (w *worker) poll() error {
	queue := w.world.queue
	p := queue.places[w.rng.IntN(len(queue.places))]
	status, err := w.timed("poll", "GET", "/api/v1/schedules/"+itoa(queue.id)+"/queue-tokens/me", nil, "Queue-Token", p.token)
	if err == nil && status != http.StatusOK && status != http.StatusServiceUnavailable {
		err = w.call.unexpected(status)
	}
	return err
}

// timed sends a request and records how long its answer took. A 503 without Retry-After
// does not count as an answer.
func (w *worker) timed(what, method, path string, body []byte, headers ...string) (int, error) {
	start := time.Now()
	if !w.times.intended.IsZero() {
		start, w.times.intended = w.times.intended, time.Time{}
	}
	status, err := w.call.do(method, path, body, headers...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	if status == http.StatusServiceUnavailable && w.call.header("Retry-After") == "" {
		return 0, w.call.unexpected(status)
	}
	w.times.record(what, status, time.Since(start))
	return status, nil
}
