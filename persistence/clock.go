package persistence

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of measuring the database's clock.
const (
	// DefaultClockRefresh is how often it is measured when ClockConfig does not say.
	DefaultClockRefresh = 10 * time.Second
	clockSamples        = 5 // per measurement; the one with the shortest round trip counts
	clockTimeout        = 2 * time.Second
	// slewShare is the divisor of the elapsed time that the clock loses while it is ahead:
	// half.
	slewShare = 2
)

// ClockConfig configures a Clock. Now is required.
type ClockConfig struct {
	// Now is the process's own clock, time.Now. Only differences between readings count, so
	// it must be monotonic but may be wrong.
	Now func() time.Time
	// Refresh is how often the database is asked; 0 means DefaultClockRefresh.
	Refresh time.Duration
	// Logger logs when the database cannot be asked; nil: nothing is logged.
	Logger *slog.Logger
}

// Clock returns the database's time without asking it each time. Its error is half a round
// trip at most; between two measurements it runs on the process's monotonic clock. It never
// goes backwards: when the database's clock turns out to be ahead, it jumps there; when it
// is behind, the clock runs at half speed until it is caught up with. It is safe for
// concurrent use. Close it before its Database.
type Clock struct {
	config ClockConfig
	ask    func(context.Context) (time.Time, error) // the database's time

	line atomic.Pointer[timeline]
	last atomic.Int64 // the latest returned time, in Unix milliseconds

	stop    context.CancelFunc
	refresh sync.WaitGroup
}

// timeline maps the process's clock to the returned time.
type timeline struct {
	since time.Time     // of the process's clock
	at    time.Time     // the returned time at since
	ahead time.Duration // of the database's clock, at since; to be lost
}

func (l *timeline) now(local time.Time) time.Time {
	passed := local.Sub(l.since)
	return l.at.Add(passed - min(l.ahead, passed/slewShare))
}

// NewClock measures the database's clock for the first time and starts to follow it.
func NewClock(ctx context.Context, db *Database, config ClockConfig) (*Clock, error) {
	return startClock(ctx, config, func(ctx context.Context) (now time.Time, err error) {
		err = db.control.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now)
		return now, err
	})
}

func startClock(
	ctx context.Context, config ClockConfig, ask func(context.Context) (time.Time, error),
) (*Clock, error) {
	if config.Refresh == 0 {
		config.Refresh = DefaultClockRefresh
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Clock{config: config, ask: ask}
	if err := c.measure(ctx); err != nil {
		return nil, failure("measure the database's clock", err)
	}
	running, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.refresh.Go(func() { c.keepUp(running) })
	return c, nil
}

// Now returns the database's time: UTC, in whole milliseconds.
func (c *Clock) Now() time.Time {
	now := c.line.Load().now(c.config.Now()).UnixMilli()
	for {
		last := c.last.Load()
		if now <= last {
			return time.UnixMilli(last).UTC()
		}
		if c.last.CompareAndSwap(last, now) {
			return time.UnixMilli(now).UTC()
		}
	}
}

// Close stops measuring. The clock still runs.
func (c *Clock) Close() {
	c.stop()
	c.refresh.Wait()
}

func (c *Clock) keepUp(ctx context.Context) {
	ticker := time.NewTicker(c.config.Refresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := c.measure(ctx); err != nil && ctx.Err() == nil {
			// The process's clock drifts by milliseconds in a minute: better than stopping.
			c.config.Logger.Warn("database's clock could not be measured", "error", err)
		}
	}
}

// measure asks the database a few times and corrects the timeline by the best answer.
func (c *Clock) measure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	var shortest time.Duration
	var best timeline
	for i := range clockSamples {
		sent := c.config.Now()
		answer, err := c.ask(ctx)
		trip := c.config.Now().Sub(sent)
		if err != nil {
			return fmt.Errorf("sample %d: %w", i+1, err)
		}
		if i == 0 || trip < shortest {
			shortest = trip
			best = timeline{since: sent.Add(trip / 2), at: answer}
		}
	}
	c.correct(best)
	return nil
}

// correct replaces the timeline by one that approaches the measured time.
func (c *Clock) correct(measured timeline) {
	local := c.config.Now()
	truth := measured.now(local)
	line := &timeline{since: local, at: truth}
	if current := c.line.Load(); current != nil {
		if told := current.now(local); told.After(truth) {
			line.at, line.ahead = told, told.Sub(truth)
		}
	}
	c.line.Store(line)
}
