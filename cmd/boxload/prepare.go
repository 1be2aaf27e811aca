package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Points of the preparation.
const (
	seatPrice     = 10
	seatsPerShow  = 50
	maxCharge     = 10_000_000
	usersAtMost   = 4_999 // buyers of many schedules are the same people; see buyer
	admitCapacity = 100_000
)

// needs say what a scenario wants to find.
type needs struct {
	schedules int
	admitted  int // people who are let in, per schedule
	waiting   int // people in line of one more schedule, which lets in one
	users     int // at least
}

// world is what was prepared.
type world struct {
	users     []*user
	schedules []*show
	queue     *show // where people wait; nil if nobody does
}

type user struct {
	id, token string
	balance   int64
	spent     atomic.Int64 // less what was charged by the load
}

// show is a schedule with the people who stand before it.
type show struct {
	id     int64
	places []*placeInLine
	sold   atomic.Int64 // payments that were acknowledged
}

type placeInLine struct {
	user  *user
	token string
}

func prepare(ctx context.Context, a *api, n needs, o options, progress io.Writer) (*world, error) {
	w := &world{}
	perShow := min(n.admitted, usersAtMost)
	users := max(perShow, min(n.schedules*perShow, usersAtMost))
	users = max(users, n.users, n.waiting) // one place per user and schedule
	w.users = make([]*user, users)
	err := each(ctx, a, progress, "users", o.connections, users, func(c *call, i int) error {
		u, err := newUser(c, i)
		w.users[i] = u
		return err
	})
	if err != nil {
		return nil, err
	}
	var concert struct {
		ConcertID int64 `json:"concertId"`
	}
	err = a.calls[0].want(http.StatusCreated, "POST", "/api/v1/admin/concerts",
		map[string]any{"title": "Load", "price": seatPrice}, &concert, "Authorization", bearer(a.adminToken))
	if err != nil {
		return nil, err
	}
	w.schedules = make([]*show, n.schedules)
	err = each(ctx, a, progress, "schedules", o.connections, n.schedules, func(c *call, i int) error {
		s, err := newShow(c, concert.ConcertID, admitCapacity)
		w.schedules[i] = s
		return err
	})
	if err != nil {
		return nil, err
	}
	err = w.admit(ctx, a, perShow, o, progress)
	if err != nil || n.waiting == 0 {
		return w, err
	}
	if w.queue, err = newShow(a.calls[0], concert.ConcertID, 1); err != nil {
		return nil, err
	}
	return w, w.queue.fill(ctx, a, w.users[:n.waiting], o, progress)
}

// buyer returns the user of a schedule's place. Those who buy at the same time are different
// people, because one person's concurrent purchases would wait for each other: a sale takes
// the first place of each schedule, then the second of each, so consecutive ones have
// consecutive users. No user has two places of a schedule, as usersAtMost is prime:
// multiples of a stride repeat only after as many.
func (w *world) buyer(schedule, place int) *user {
	stride := len(w.schedules)
	if stride%usersAtMost == 0 {
		stride++
	}
	return w.users[(place*stride+schedule)%min(len(w.users), usersAtMost)]
}

// admit lets people into every schedule.
func (w *world) admit(ctx context.Context, a *api, perShow int, o options, progress io.Writer) error {
	for i, s := range w.schedules {
		s.places = make([]*placeInLine, perShow)
		for j := range s.places {
			s.places[j] = &placeInLine{user: w.buyer(i, j)}
		}
	}
	return each(ctx, a, progress, "admissions", o.connections, len(w.schedules)*perShow, func(c *call, i int) error {
		s := w.schedules[i%len(w.schedules)]
		return s.join(c, s.places[i/len(w.schedules)])
	})
}

func (s *show) fill(ctx context.Context, a *api, users []*user, o options, progress io.Writer) error {
	s.places = make([]*placeInLine, len(users))
	return each(ctx, a, progress, "people in line", o.connections, len(users), func(c *call, i int) error {
		s.places[i] = &placeInLine{user: users[i]}
		return s.join(c, s.places[i])
	})
}

func (s *show) join(c *call, p *placeInLine) error {
	var place struct {
		Token string `json:"token"`
	}
	err := c.want(http.StatusCreated, "POST", "/api/v1/schedules/"+itoa(s.id)+"/queue-tokens", nil, &place,
		"Authorization", bearer(p.user.token))
	p.token = place.Token
	return err
}

func newUser(c *call, i int) (*user, error) {
	var registered struct {
		UserID      string `json:"userId"`
		AccessToken string `json:"accessToken"`
	}
	err := c.want(http.StatusCreated, "POST", "/api/v1/users", map[string]any{"name": "load " + itoa(i)}, &registered)
	if err != nil {
		return nil, err
	}
	u := &user{id: registered.UserID, token: registered.AccessToken, balance: maxCharge}
	return u, c.want(http.StatusCreated, "POST", "/api/v1/users/"+u.id+"/points/charges",
		map[string]any{"amount": maxCharge}, nil, "Authorization", bearer(u.token), "Idempotency-Key", "boxload")
}

func newShow(c *call, concertID int64, capacity int) (*show, error) {
	var made struct {
		ScheduleID int64 `json:"scheduleId"`
	}
	starts := time.Now().UTC().Add(90 * 24 * time.Hour).Truncate(time.Second)
	err := c.want(http.StatusCreated, "POST", "/api/v1/admin/concerts/"+itoa(concertID)+"/schedules", map[string]any{
		"startsAt": starts.Format(time.RFC3339),
		"endsAt":   starts.Add(2 * time.Hour).Format(time.RFC3339),
		"timeZone": "Europe/Berlin",
		"capacity": capacity,
	}, &made, "Authorization", bearer(c.api.adminToken))
	return &show{id: made.ScheduleID}, err
}

// each runs do for 0 … n-1 on a number of workers, each with its call, and prints how long
// it took.
func each(ctx context.Context, a *api, progress io.Writer, what string, workers, n int, do func(c *call, i int) error) error {
	if n == 0 {
		return nil
	}
	began := time.Now()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for worker := range min(workers, n) {
		group.Go(func() error {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := do(a.calls[worker], i); err != nil {
					return fmt.Errorf("%s: %w", what, err)
				}
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Fprintf(progress, "%s: %d in %s\n", what, n, time.Since(began).Round(time.Millisecond))
	return nil
}
