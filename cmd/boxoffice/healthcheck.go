package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"time"
)

// healthcheckTimeout bounds the question; a node that needs longer is not ready.
const healthcheckTimeout = 3 * time.Second

func prepareHealthcheck(flags *flag.FlagSet) action {
	address := flags.String("address", "", "the node's HTTP `address` (default BOXOFFICE_LISTEN)")
	return func(ctx context.Context, _ program, s settings) error {
		listens := listenAddress(&s.Listen)
		if *address != "" && listens.set(*address) != nil {
			return usagef("-address must be %s, not %q", listens.must, *address)
		}
		return healthcheck(ctx, s.Listen)
	}
}

func healthcheck(ctx context.Context, address string) error {
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

// reachable returns the base URL at which this machine reaches what listens on address.
func reachable(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if port == "0" {
		return "", usagef("port 0 was picked by the node when it started; give its address with -address")
	}
	if isUnspecified(host) {
		host = "127.0.0.1" // what listens on every interface listens there too
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
