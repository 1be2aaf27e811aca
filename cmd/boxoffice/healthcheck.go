package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// healthcheckTimeout bounds the question; a node that needs longer is not ready.
const healthcheckTimeout = 3 * time.Second

func healthcheckCommand() command {
	return command{
		name:    "healthcheck",
		usage:   "[-address host:port]",
		summary: "Ask the node of this machine whether it is ready: exit status 0 if it is, else 1",
		prepare: func(flags *flag.FlagSet) func(context.Context, program, []string) error {
			address := flags.String("address", "", "the node's HTTP `address` (default BOXOFFICE_LISTEN)")
			return func(ctx context.Context, p program, args []string) error {
				if err := noArguments("healthcheck", args); err != nil {
					return err
				}
				s, err := loadSettings(p.environ)
				if err != nil {
					return err
				}
				if *address == "" {
					*address = string(s.Listen)
				}
				return healthcheck(ctx, *address)
			}
		},
	}
}

func healthcheck(ctx context.Context, address string) error {
	if _, ok := splitAddress(address); !ok {
		return usagef("-address must be %s, not %q", hostPort.must(""), address)
	}
	url, err := reachable(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("ask the node: %w", err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return fmt.Errorf("the node is not reachable: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var problem struct{ Detail string }
		_ = json.NewDecoder(response.Body).Decode(&problem) // whatever else answers has no detail
		return fmt.Errorf("the node is not ready: /readyz answers %s: %s", response.Status, cmp.Or(problem.Detail, "no reason given"))
	}
	return nil
}

// reachable gives the base URL at which this machine reaches what listens on address.
func reachable(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if port == "0" {
		return "", usagef("port 0 was picked by the node when it started; give its address with -address")
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1" // what listens on every interface listens there too
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
