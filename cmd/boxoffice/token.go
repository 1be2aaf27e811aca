package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/google/uuid"

	api "boxoffice/http"
)

// Bounds of an access token's life.
const (
	defaultTokenTTL = 24 * time.Hour
	minTokenTTL     = time.Second // tokens count in whole seconds
	maxTokenTTL     = 10 * 365 * 24 * time.Hour
)

func prepareToken(flags *flag.FlagSet) action {
	role := flags.String("role", "", "`role` of the caller: admin or user")
	user := flags.String("user", "", "`ID` of the user, a UUID; an admin without one gets a new one")
	ttl := flags.Duration("ttl", defaultTokenTTL, "how long the token is good for")
	return func(_ context.Context, p program, s settings) error {
		caller, err := tokenCaller(*role, *user)
		if err != nil {
			return err
		}
		if *ttl < minTokenTTL || *ttl > maxTokenTTL {
			return usagef("token: -ttl must be from %s to %s, not %s", minTokenTTL, maxTokenTTL, *ttl)
		}
		return printToken(p, s, caller, *ttl)
	}
}

func tokenCaller(role, user string) (api.Caller, error) {
	if role != "admin" && role != "user" {
		return api.Caller{}, usagef("token: -role must be admin or user, not %q", role)
	}
	if role == "admin" && user == "" {
		id, err := uuid.NewV7()
		return api.Caller{UserID: id, Admin: true}, err
	}
	id, err := uuid.Parse(user)
	if err != nil {
		return api.Caller{}, usagef("token: -user must be a user's ID, a UUID, not %q", user)
	}
	return api.Caller{UserID: id, Admin: role == "admin"}, nil
}

func printToken(p program, s settings, caller api.Caller, ttl time.Duration) error {
	private, made, err := nodeKey(s)
	if err != nil {
		return err
	}
	if made != "" { // in the wrong directory, perhaps
		fmt.Fprintf(p.stderr, "boxoffice: there was no signing key; made %s, and only nodes that have it accept this token\n", made)
	}
	keys, err := api.NewKeys(private)
	if err != nil {
		return err
	}
	token, _, err := keys.SignAccess(caller, time.Now(), ttl)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, token)
	return err
}
