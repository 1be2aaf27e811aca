package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options say what to measure.
type options struct {
	scenario    string
	addresses   []string
	adminToken  string
	schedules   int
	atATime     int // of the schedules; 0: all
	connections int
	waiting     int
	duration    time.Duration
	rate        int
	purchases   int // percent
	patience    time.Duration
	etag        bool
	json        bool
	quiet       bool
	client      string // fastClient or plainClient
}

const usage = `boxload measures a boxoffice under load.

  boxload [flags] SCENARIO

Scenarios:
  sellout   each buyer looks at the seats, holds one and pays, until all is sold
  stampede  everybody wants a seat of one schedule
  seats     admitted people look at the seats
  charges   people charge points, each with a key of its own
  polls     waiting people ask where they stand
  mixed     80 % polls, 15 % seat maps, 5 % purchases (see -purchases)
  steady    the mix of mixed at a fixed rate; latency from the intended start

Making concerts and schedules needs an admin token: -admin-token, or
BOXOFFICE_ADMIN_TOKEN ("boxoffice token -role admin" prints one).

Flags:
`

func parseOptions(args []string, getenv func(string) string, stderr io.Writer) (options, error) {
	var o options
	var addresses string
	flags := flag.NewFlagSet("boxload", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&addresses, "addr", "127.0.0.1:8080", "addresses of nodes, with commas between them")
	flags.StringVar(&o.adminToken, "admin-token", getenv("BOXOFFICE_ADMIN_TOKEN"), "access token of an admin")
	flags.IntVar(&o.schedules, "schedules", 100, "schedules to sell")
	flags.IntVar(&o.atATime, "at-a-time", 0, "how many of them are sold at a time, before the next; 0: all (sellout)")
	flags.IntVar(&o.connections, "connections", 128, "connections, each with one request at a time")
	flags.IntVar(&o.waiting, "waiting", 10_000, "people in line (polls, mixed, steady)")
	flags.DurationVar(&o.duration, "duration", 10*time.Second, "how long (all but sellout)")
	flags.IntVar(&o.rate, "rate", 1000, "starts per second in all: polls, looks and purchases (steady)")
	flags.IntVar(&o.purchases, "purchases", 5, "percent of purchases; the others are polls and looks, 16 to 3 (mixed, steady)")
	flags.DurationVar(&o.patience, "patience", 0, "how late may start what found no connection free, before it is given up; 0: as late as may be (steady)")
	flags.BoolVar(&o.etag, "etag", false, "ask for seat maps with the ETag that is known (seats)")
	flags.BoolVar(&o.json, "json", false, "report as JSON")
	flags.BoolVar(&o.quiet, "quiet", false, "no progress")
	flags.StringVar(&o.client, "client", fastClient, "HTTP client: "+fastClient+", which leaves most of a shared machine to the nodes, or "+plainClient)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() != 1 {
		return o, errors.New("one scenario is wanted; see boxload -h")
	}
	o.scenario = flags.Arg(0)
	o.addresses = strings.Split(addresses, ",")
	return o, o.check()
}

func (o options) check() error {
	names := make([]string, 0, len(scenarios()))
	for name := range scenarios() {
		names = append(names, name)
	}
	slices.Sort(names)
	switch {
	case scenarios()[o.scenario] == nil:
		return fmt.Errorf("no scenario %q; there are %s", o.scenario, strings.Join(names, ", "))
	case slices.Contains(o.addresses, ""):
		return errors.New("-addr has an empty address")
	case o.adminToken == "":
		return errors.New("an admin token is wanted: -admin-token or BOXOFFICE_ADMIN_TOKEN")
	case o.client != fastClient && o.client != plainClient:
		return fmt.Errorf("-client must be %s or %s", fastClient, plainClient)
	case o.purchases < 0, o.purchases > 100, o.patience < 0:
		return errors.New("-purchases must be a percentage, and -patience not negative")
	case o.atATime < 0, o.atATime > 0 && o.schedules%o.atATime != 0:
		return errors.New("-at-a-time must divide -schedules")
	case o.schedules < 1, o.connections < 1, o.waiting < 1, o.rate < 1, o.duration <= 0:
		return errors.New("-schedules, -connections, -waiting, -rate and -duration must be positive")
	}
	return nil
}
