package main

import (
	"context"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// verify asks the service what is sold and what everybody has left, and compares it
// with the payments that it acknowledged.
func verify(ctx context.Context, a *api, w *world, r *report) error {
	var group errgroup.Group
	group.SetLimit(len(a.nodes) * 8)
	sold := make([]int64, len(w.schedules))
	for i, s := range w.schedules {
		group.Go(func() error {
			var err error
			sold[i], err = s.verify(ctx, a.newCall(i))
			return err
		})
	}
	for i, u := range w.users {
		if u.spent.Load() > 0 {
			group.Go(func() error { return u.verify(ctx, a.newCall(i)) })
		}
	}
	if err := group.Wait(); err != nil {
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

func (s *show) verify(ctx context.Context, c *call) (sold int64, err error) {
	var seatMap struct {
		Seats []struct {
			Status string `json:"status"`
		} `json:"seats"`
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
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

func (u *user) verify(ctx context.Context, c *call) error {
	var points struct {
		Balance int64 `json:"balance"`
	}
	if ctx.Err() != nil {
		return ctx.Err()
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
