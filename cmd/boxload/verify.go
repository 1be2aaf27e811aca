package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// mapAge is how old a seat map may be, as the service promises.
const mapAge = time.Second

// verify asks the service what is sold and what everybody has left, and compares it
// with the payments that it acknowledged.
func verify(ctx context.Context, a *api, w *world, r *report, progress io.Writer) error {
	if r.Booked > 0 {
		select {
		case <-time.After(time.Until(r.EndedAt.Add(mapAge))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	workers := len(a.addresses) * checkersPerNode
	sold := make([]int64, len(w.schedules))
	err := each(ctx, a, progress, "check of schedules", workers, len(w.schedules), func(c *call, i int) (err error) {
		sold[i], err = w.schedules[i].verify(c)
		return err
	})
	if err != nil {
		return err
	}
	err = each(ctx, a, progress, "check of points", workers, len(w.users), func(c *call, i int) error {
		return w.users[i].verify(c)
	})
	if err != nil {
		return err
	}
	for _, n := range sold {
		r.VerifiedSold += n
	}
	if r.Held > seatsPerShow {
		return fmt.Errorf("%d people were given one of %d seats", r.Held, seatsPerShow)
	}
	return nil
}

func (s *show) verify(c *call) (sold int64, err error) {
	var seatMap struct {
		Seats []struct {
			Status string `json:"status"`
		} `json:"seats"`
	}
	err = c.want(http.StatusOK, "GET", "/api/v1/schedules/"+itoa(s.id)+"/seats", nil, &seatMap,
		"Authorization", bearer(c.api.adminToken))
	if err != nil {
		return 0, err
	}
	for _, seat := range seatMap.Seats {
		if seat.Status == "sold" {
			sold++
		}
	}
	if sold != s.sold.Load() {
		return sold, fmt.Errorf("schedule %d shows %d seats sold, and %d payments were acknowledged", s.id, sold, s.sold.Load())
	}
	return sold, nil
}

func (u *user) verify(c *call) error {
	if u.spent.Load() == 0 {
		return nil
	}
	var points struct {
		Balance int64 `json:"balance"`
	}
	err := c.want(http.StatusOK, "GET", "/api/v1/users/"+u.id+"/points", nil, &points, "Authorization", bearer(u.token))
	if err != nil {
		return err
	}
	if want := u.balance - u.spent.Load(); points.Balance != want {
		return fmt.Errorf("user %s has %d points and should have %d", u.id, points.Balance, want)
	}
	return nil
}
