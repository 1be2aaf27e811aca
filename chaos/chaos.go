package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"boxoffice/chaos/check"
	"boxoffice/chaos/history"
	"boxoffice/chaos/plan"
	"boxoffice/chaos/system"
	"boxoffice/chaos/workload"
	"boxoffice/persistence"
)

// times are how long things live.
type times struct{ hold, admission, claim time.Duration }

// shortTimes are reached often in a run.
func shortTimes() times {
	return times{hold: 1200 * time.Millisecond, admission: 5 * time.Second, claim: 2 * time.Second}
}

const (
	// staleness is how old the contract lets a seat map or a place be.
	staleness = time.Second
	// patience is how long the search for linearizations may take.
	patience = time.Minute
	// calmDown is how long the clients go on after the last fault.
	calmDown = 2 * time.Second
	// settle is how long after the last fault and the last request the service may need
	// until everything answers.
	settle = time.Minute
)

// experiment is one run, as it goes on.
type experiment struct {
	options  options
	logger   *slog.Logger
	stdout   io.Writer
	program  program
	plan     []plan.Fault
	system   *system.System
	times    times
	fleet    *workload.Fleet
	clients  func(context.Context) // what the fleet does until the context ends
	steady   *workload.Steady      // the fleet, where it is one of a steady load; else nil
	recorder *history.Recorder
	faults   []faultRun
	stalls   []stall
	machine  *machine
	zero     time.Time // of the database's clock at the history's zero
	began    time.Duration
	ended    time.Duration
	// invalid are the reasons why the run proves nothing.
	invalid    []string
	violations []check.Violation
}

// faultRun is a fault as it was.
type faultRun struct {
	plan.Fault
	Start  time.Duration `json:"start"`  // of the history's clock
	Healed time.Duration `json:"healed"` // what was broken is back
	Error  string        `json:"error,omitzero"`
}

// chaos makes one run and judges it.
func chaos(ctx context.Context, o options, p program, logger *slog.Logger, stdout io.Writer) (verdict, error) {
	faults, err := plan.Draw(o.seed, o.faults, o.length, o.nodes)
	if err != nil {
		return verdict{}, err
	}
	x := &experiment{options: o, program: p, times: shortTimes(), logger: logger, stdout: stdout, plan: faults}
	return x.run(ctx)
}

// run makes the run and judges it.
func (x *experiment) run(ctx context.Context) (verdict, error) {
	state, err := x.perform(ctx)
	if err != nil {
		return verdict{}, err
	}
	v, err := x.judge(state)
	if err == nil && v.Result == pass {
		err = x.tidy()
	}
	return v, err
}

// tidy removes what nobody looks at after a run that passed: the data.
func (x *experiment) tidy() error {
	names := []string{"postgres", "nats"}
	for i := range x.options.nodes + 1 {
		names = append(names, fmt.Sprintf("node-%d", i))
	}
	for _, name := range names {
		if err := os.RemoveAll(x.path(name)); err != nil {
			return fmt.Errorf("tidy up: %w", err)
		}
	}
	return nil
}

func (x *experiment) path(name string) string { return filepath.Join(x.options.out, name) }

// perform starts everything, lets clients and faults go, heals, and reads what is left.
func (x *experiment) perform(ctx context.Context) (state check.State, err error) {
	x.system, err = system.Start(ctx, system.Config{
		Dir: x.options.out, Binary: x.program.path, Nodes: x.options.nodes,
		NATS:      natsServers(x.plan),
		LimitDisk: slices.ContainsFunc(x.options.faults, func(kind plan.Kind) bool { return entryOf(kind).Disk }),
		Settings: map[string]string{
			"BOXOFFICE_HOLD_TTL":      x.times.hold.String(),
			"BOXOFFICE_ADMISSION_TTL": x.times.admission.String(),
			"BOXOFFICE_CLAIM_TTL":     x.times.claim.String(),
		},
		Logger: x.logger,
	})
	if err != nil {
		return state, err
	}
	defer func() { err = errors.Join(err, x.system.Close()) }()
	x.recorder = history.NewRecorder(time.Now())
	if err := x.measureClock(ctx); err != nil {
		return state, err
	}
	token, err := x.system.Run(ctx, "token", "-role", "admin")
	if err != nil {
		return state, err
	}
	err = x.hire(ctx, workload.Config{
		Seed: x.options.seed, Clients: x.options.clients, URLs: x.system.URLs(), AdminToken: token, Recorder: x.recorder,
	})
	if err != nil {
		return state, err
	}
	defer x.fleet.Close()
	x.storm(ctx)
	if err := ctx.Err(); err != nil {
		return state, err
	}
	return x.calm(ctx)
}

// hire gets the clients of the run.
func (x *experiment) hire(ctx context.Context, cfg workload.Config) (err error) {
	if x.options.rate == 0 {
		x.fleet, err = workload.NewFleet(ctx, cfg)
		if err == nil {
			x.clients = x.fleet.Run
		}
		return err
	}
	x.steady, err = workload.NewSteady(ctx, cfg, x.options.rate, steadySchedules)
	if err == nil {
		x.steady.Looks = x.options.looks
		x.fleet, x.clients = x.steady.Fleet, x.steady.Run
	}
	return err
}

func (x *experiment) measureClock(ctx context.Context) error {
	conn, err := x.system.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	offset, uncertainty, err := check.ClockOffset(ctx, conn, time.Now)
	if err != nil {
		return err
	}
	if uncertainty > x.options.epsilon/2 {
		return fmt.Errorf("the database's clock could only be compared to %s", uncertainty)
	}
	x.zero = x.recorder.Start().Add(offset).Round(0).UTC()
	return nil
}

func (x *experiment) now() time.Duration { return x.recorder.Since(time.Now()) }

// storm lets the clients go for the length of the run, and the faults come. On a busy
// machine faults take longer than planned: the clients go on until the last one is over
// for a while, and what should have begun after the end does not come any more.
func (x *experiment) storm(ctx context.Context) {
	x.began = x.now()
	pulse := startPulse(x.now)
	x.machine = watchMachine(runtime.NumCPU(), x.now, readUsage)
	defer func() {
		x.machine.end()
		x.stalls = pulse.end()
	}()
	running, stop := context.WithCancel(ctx)
	defer stop()
	var clients sync.WaitGroup
	clients.Go(func() { x.clients(running) })
	end := x.began + x.options.length
	for _, f := range x.plan {
		if x.now() > end || x.wait(ctx, x.began+f.At) != nil {
			break
		}
		x.injectOne(ctx, f)
	}
	_ = x.wait(ctx, max(end, x.now()+calmDown)) // or until the run is called off
	stop()
	clients.Wait()
	x.ended = x.now()
}

// wait waits until a time of the history's clock, or until ctx ends.
func (x *experiment) wait(ctx context.Context, until time.Duration) error {
	timer := time.NewTimer(until - x.now())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// injectOne does one fault and notes when it was.
func (x *experiment) injectOne(ctx context.Context, f plan.Fault) {
	if entryOf(f.Kind).Refuses { // it is judged by what each node answers while it lasts
		_ = x.system.AwaitReady(ctx) // a node that does not come back shows below
	}
	done := faultRun{Fault: f, Start: x.now()}
	fmt.Fprintf(x.stdout, "%7.3fs %s\n", done.Start.Seconds(), f)
	var err error
	switch f.Kind {
	case plan.Activations:
		err = x.fleet.WakeMany(ctx)
	case plan.Expiries:
		err = x.fleet.ExpireMany(ctx)
	case plan.SlowClients:
		if err = x.fleet.Dawdle(ctx, f.Node); err != nil && ctx.Err() == nil {
			x.violations = append(x.violations, check.Violation{Check: "slow client", Detail: err.Error()})
			err = nil
		}
	case plan.KillCrowd:
		err = x.killCrowd(ctx, f)
	case plan.NATSServer:
		err = x.killNATSServers(ctx, f)
	case plan.NATSServerAndNode:
		err = x.killNATSServerAndNode(ctx, f)
	default:
		err = x.system.Inject(ctx, f)
		if errors.Is(err, system.ErrWork) || errors.Is(err, system.ErrUnaware) {
			x.violate(string(f.Kind), err)
			err = nil
		}
	}
	if err == nil && entryOf(f.Kind).needsReady(x.options.nodes) {
		err = x.system.AwaitReady(ctx)
	}
	done.Healed = x.now()
	if err != nil && ctx.Err() == nil {
		done.Error = err.Error()
		x.invalid = append(x.invalid, fmt.Sprintf("%s: %v", f, err))
	}
	x.faults = append(x.faults, done)
}

// killCrowd kills the node that a crowd waits at, and wants an answer within the goal.
func (x *experiment) killCrowd(ctx context.Context, f plan.Fault) error {
	crowd, err := x.fleet.Gather(ctx)
	if err != nil {
		return err
	}
	return x.system.KillOwner(ctx, crowd.ScheduleID, func(dead int) error {
		killed := x.now()
		back, err := crowd.Ask(ctx, dead, settle)
		if err != nil {
			return err
		}
		x.within(f, "crowd", fmt.Sprintf("an answer of schedule %d, with a crowd in line", crowd.ScheduleID), killed, back, entryOf(f.Kind).Goal)
		return nil
	})
}

// within wants something that a fault keeps for a while to be there again within the goal.
func (x *experiment) within(f plan.Fault, name, what string, from, took, goal time.Duration) {
	limit, busy := x.limit(goal, check.Outage{From: from, Length: took})
	switch {
	case took <= limit:
	case busy:
		x.invalid = append(x.invalid, fmt.Sprintf("%s: %s to tell why %s took %s", f, tooBusy, what, took))
	default:
		x.violate(name, fmt.Errorf("%s: %s took %s; the goal is %s", f, what, took, limit))
	}
}

// catalogued is an entry of the catalogue.
type catalogued struct{ plan.Entry }

func entryOf(kind plan.Kind) catalogued {
	entry, _ := plan.Find(kind) // plans have no others
	return catalogued{entry}
}

// needsReady reports whether a fault is only healed when the nodes are ready again: where
// the goal counts from then on.
func (e catalogued) needsReady(nodes int) bool {
	_, since := e.GoalWith(nodes)
	return since == plan.FromHeal && nodes == 1
}

// calm waits until everything answers, fences all grains, and reads the database.
func (x *experiment) calm(ctx context.Context) (check.State, error) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	if err := x.system.AwaitReady(ctx); err != nil {
		x.violate("recovery", err)
	}
	if err := x.fleet.Last(ctx); err != nil {
		x.violate("recovery", err)
	}
	conn, err := x.system.Connect(ctx)
	if err != nil {
		return check.State{}, err
	}
	defer conn.Close(ctx)
	if err := check.Fence(ctx, conn); err != nil {
		return check.State{}, err
	}
	if err := x.checkDatabase(ctx, conn); err != nil {
		return check.State{}, err
	}
	return check.Load(ctx, conn)
}

func (x *experiment) violate(name string, err error) {
	x.violations = append(x.violations, check.Violation{Check: name, Detail: err.Error()})
}

// checkDatabase runs the program's own checks of what must never be in a database.
func (x *experiment) checkDatabase(ctx context.Context, conn *pgx.Conn) error {
	if err := x.system.RemoveDamaged(ctx, conn); err != nil {
		return err
	}
	db, err := persistence.Open(ctx, x.system.DatabaseURL(), persistence.Config{})
	if err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	defer db.Close()
	found, err := db.Check(ctx)
	if err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	for _, v := range found {
		x.violations = append(x.violations, check.Violation{Check: "database: " + v.Invariant, Detail: v.Detail})
	}
	return nil
}
