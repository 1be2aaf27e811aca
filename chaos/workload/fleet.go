package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/chaos/history"
	"boxoffice/internal/apiclient"
)

// What is on sale.
const (
	price        int64 = 100
	usersPer           = 3 // of each client
	initialFunds       = 20 * price
	presold            = boxoffice.SeatCount - 3 // of the schedule whose last seats are raced for
	sellers            = 8                       // at a time, before the run
)

// Config is what a fleet is made of.
type Config struct {
	Seed    uint64
	Clients int
	URLs    []string // of the nodes
	// AdminToken is an admin's access token.
	AdminToken string
	Recorder   *history.Recorder
}

// Fleet is all clients of a run, and what they buy.
type Fleet struct {
	cfg     Config
	api     *API
	admin   *user
	clients []*client
	probers []*prober // of each schedule
	concert int64
	// ScheduleIDs are what is on sale: one with a narrow door, one with a wide one, and
	// one of which only the last seats are left and where people are let in slowly.
	ScheduleIDs []int64
}

// NewFleet puts schedules on sale and registers everybody.
func NewFleet(ctx context.Context, cfg Config) (*Fleet, error) {
	f, err := newShop(ctx, cfg)
	if err != nil {
		return nil, err
	}
	for _, door := range []map[string]any{{"capacity": 6}, {"capacity": 100}, {"capacity": 60, "admitPerSecond": 40}} {
		id, err := f.addSchedule(ctx, door)
		if err != nil {
			return nil, err
		}
		f.ScheduleIDs = append(f.ScheduleIDs, id)
	}
	for i := range cfg.Clients {
		f.clients = append(f.clients, newClient(f.api, cfg.Seed, i, usersPer, f.ScheduleIDs))
	}
	if err := f.prepare(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// newShop makes a fleet that has a concert and nothing else yet.
func newShop(ctx context.Context, cfg Config) (*Fleet, error) {
	f := &Fleet{cfg: cfg, api: NewAPI(cfg.URLs, cfg.Recorder), admin: &user{access: cfg.AdminToken}}
	var concert struct{ ConcertID int64 }
	if err := f.manage(ctx, "/api/v1/admin/concerts", map[string]any{"title": "Chaos", "price": price}, &concert); err != nil {
		return nil, err
	}
	f.concert = concert.ConcertID
	return f, nil
}

// Close drops idle connections.
func (f *Fleet) Close() { f.api.Close() }

// addSchedule puts one more performance on sale, with a door of some width.
func (f *Fleet) addSchedule(ctx context.Context, door map[string]any) (int64, error) {
	starts := time.Now().Add(60 * 24 * time.Hour).UTC().Truncate(time.Second)
	body := map[string]any{
		"startsAt": starts.Format(time.RFC3339), "endsAt": starts.Add(2 * time.Hour).Format(time.RFC3339), "timeZone": "UTC",
	}
	maps.Copy(body, door)
	var schedule struct{ ScheduleID int64 }
	err := f.manage(ctx, fmt.Sprintf("/api/v1/admin/concerts/%d/schedules", f.concert), body, &schedule)
	return schedule.ScheduleID, err
}

// prepare registers the users and sells most seats of the last schedule.
func (f *Fleet) prepare(ctx context.Context) error {
	var tasks []func() error
	for _, c := range f.clients {
		c.users = make([]*user, usersPer)
		for i := range c.users {
			tasks = append(tasks, func() (err error) {
				c.users[i], err = f.register(ctx, fmt.Sprintf("client %d user %d", c.index, i), int64(i)*initialFunds/2)
				return err
			})
		}
	}
	f.probers = make([]*prober, len(f.ScheduleIDs))
	for i := range f.probers {
		tasks = append(tasks, func() error {
			u, err := f.register(ctx, fmt.Sprintf("prober %d", i), 0)
			f.probers[i] = &prober{user: u}
			return err
		})
	}
	last := f.ScheduleIDs[len(f.ScheduleIDs)-1]
	for i := range presold {
		tasks = append(tasks, func() error { return f.sell(ctx, last, boxoffice.SeatCount-i) })
	}
	return spread(sellers, len(tasks), func(i int) error { return tasks[i]() })
}

// register makes a user with some points.
func (f *Fleet) register(ctx context.Context, name string, points int64) (*user, error) {
	op := f.must(ctx, registerAsk(name))
	if op.Result != history.OK {
		return nil, unprepared(op)
	}
	u := &user{id: op.Answer.UserID, access: op.Answer.AccessToken, places: make(map[int64]string), paid: make(map[int64]uuid.UUID)}
	if points > 0 {
		if op := f.must(ctx, u.charge(points).keyed(newKey())); op.Result != history.OK {
			return nil, unprepared(op)
		}
	}
	return u, nil
}

// sell has a new user buy one seat.
func (f *Fleet) sell(ctx context.Context, scheduleID int64, seat int) error {
	u, err := f.register(ctx, fmt.Sprintf("owner of seat %d", seat), price)
	if err != nil {
		return err
	}
	for {
		op := f.must(ctx, u.join(scheduleID))
		if op.Result != history.OK {
			return unprepared(op)
		}
		u.places[scheduleID] = op.Answer.Token
		if op.Answer.Place.Admitted() {
			break
		}
		if rest(ctx, pollEvery); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	held := f.must(ctx, u.hold(scheduleID, seat).keyed(newKey()))
	if held.Result != history.OK {
		return unprepared(held)
	}
	if op := f.must(ctx, u.pay(scheduleID, held.Answer.ReservationID).keyed(newKey())); op.Result != history.OK {
		return unprepared(op)
	}
	return nil
}

// must sends a request of the preparation, a few times if it has to.
func (f *Fleet) must(ctx context.Context, q ask) history.Operation {
	var op history.Operation
	for attempt := range maxAttempts {
		if op = f.api.send(ctx, preparer, attempt%len(f.cfg.URLs), q); op.Result.Definite() {
			break
		}
	}
	return op
}

// preparer is the client number of what is not done by a client.
const preparer = -1

func unprepared(op history.Operation) error {
	return fmt.Errorf("prepare the run: %s was answered %s %d %s %s", op.Kind, op.Result, op.Status, op.Code, op.Error)
}

// Run lets the clients go until ctx ends.
func (f *Fleet) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, c := range f.clients {
		running.Go(func() { c.run(ctx) })
	}
	for i, id := range f.ScheduleIDs {
		running.Go(func() { f.probe(ctx, f.probers[i], id) })
		running.Go(func() { f.read(ctx, f.probers[i], id) })
	}
	running.Wait()
}

// manage makes an admin's request, which is no part of the history. A node that is away
// is no reason to give up: another one is asked, and what both may have made does no harm.
func (f *Fleet) manage(ctx context.Context, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 4*requestTimeout)
	defer cancel()
	q := ask{method: http.MethodPost, path: path, body: body, access: f.admin.access}
	var response apiclient.Response
	var err error
	for attempt := range maxAttempts {
		response, err = f.api.exchange(ctx, attempt%len(f.cfg.URLs), q)
		if err == nil && response.Status < http.StatusInternalServerError {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("prepare the run: %w", err)
	}
	if response.Status != http.StatusCreated {
		return fmt.Errorf("prepare the run: %s was answered %d %s", path, response.Status, response.Body)
	}
	if err := json.Unmarshal(response.Body, answer); err != nil {
		return fmt.Errorf("prepare the run: read the answer of %s: %w", path, err)
	}
	return nil
}
