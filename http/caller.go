package http

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"boxoffice"
)

// Bounds of what a node remembers to exist. Nothing of it is ever deleted, so that a
// remembered id is right for ever; one that is not remembered is looked up.
const (
	maxKnownUsers     = 200_000
	maxKnownSchedules = 50_000
	maxKnownConcerts  = 10_000
)

// Names of path parameters.
const (
	concertParam     = "concertId"
	scheduleParam    = "scheduleId"
	userParam        = "userId"
	reservationParam = "reservationId"
	paymentParam     = "paymentId"
)

// findPath reads the concert and the schedule of a path, which must exist.
func (a *api) findPath(r *http.Request, c *call) error {
	if text := c.param(r, concertParam); text != "" {
		id, ok := parseID(text)
		if !ok {
			return boxoffice.Errorf(boxoffice.CodeConcertNotFound, "there is no such concert")
		}
		if _, known := a.knownConcerts.get(id); !known {
			if _, err := a.catalogue.Concert(&c.ctx, id); err != nil {
				return err
			}
			a.knownConcerts.add(id, struct{}{})
		}
		c.concertID = id
	}
	if text := c.param(r, scheduleParam); text != "" {
		id, ok := parseID(text)
		if !ok {
			return boxoffice.Errorf(boxoffice.CodeScheduleNotFound, "there is no such schedule")
		}
		if _, known := a.knownSchedules.get(id); !known {
			if _, err := a.catalogue.Schedule(&c.ctx, id); err != nil {
				return err
			}
			a.knownSchedules.add(id, struct{}{})
		}
		c.scheduleID = id
	}
	// What is no id names nothing.
	c.pathID, _ = parseUUID(cmp.Or(pathValue(r, reservationParam), pathValue(r, paymentParam)))
	return nil
}

// identify finds out who is calling and whether they may.
func (a *api) identify(r *http.Request, c *call) error {
	switch c.route.access {
	case public:
		return nil
	case placeHolder:
		return a.identifyPlace(r, c)
	case signedIn, usersOnly, adminsOnly:
	}
	token, ok := bearerToken(r.Header)
	if !ok {
		return boxoffice.Errorf(boxoffice.CodeUnauthenticated, "send an access token as Authorization: Bearer <token>")
	}
	caller, err := a.keys.verifyAccess(token, c.now)
	if err != nil {
		return err
	}
	c.caller = caller
	if c.route.access == adminsOnly && !caller.Admin {
		return forbidden("only an admin may do this")
	}
	if err := a.identifyPathUser(r, c); err != nil {
		return err
	}
	if c.route.access == usersOnly && caller.Admin {
		return forbidden("an admin reads; only users do this")
	}
	if caller.Admin {
		return nil
	}
	return a.knowUser(&c.ctx, caller.UserID)
}

// identifyPathUser reads the user that a path names: the caller, or anybody who is
// registered if an admin reads.
func (a *api) identifyPathUser(r *http.Request, c *call) error {
	text := pathValue(r, userParam)
	if text == "" {
		return nil
	}
	id, ok := parseUUID(text)
	if !ok {
		return boxoffice.Errorf(boxoffice.CodeUserNotFound, "there is no such user")
	}
	c.userID = id
	if c.caller.Admin && c.route.access == signedIn {
		return a.knowUser(&c.ctx, id)
	}
	if id != c.caller.UserID {
		return forbidden("this is another user's")
	}
	return nil
}

// knowUser fails with user-not-found for a user who was never registered.
func (a *api) knowUser(ctx context.Context, id uuid.UUID) error {
	if _, known := a.knownUsers.get(id); known {
		return nil
	}
	if _, err := a.users.User(ctx, id); err != nil {
		return err
	}
	a.knownUsers.add(id, struct{}{})
	return nil
}

func forbidden(detail string) error {
	return boxoffice.Errorf(boxoffice.CodeForbidden, "%s", detail)
}

// bearerToken reads an access token. Two Authorization headers are none.
func bearerToken(header http.Header) (string, bool) {
	values := header["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	return token, found && token != "" && strings.EqualFold(scheme, "Bearer")
}

// param gives a path parameter.
func (c *call) param(r *http.Request, name string) string {
	if name == scheduleParam && c.scheduleText != "" {
		return c.scheduleText
	}
	return pathValue(r, name)
}

// pathValue gives a path parameter as it is meant: chi routes by the escaped path.
func pathValue(r *http.Request, name string) string {
	text := r.PathValue(name)
	if r.URL.RawPath == "" {
		return text
	}
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// parseID reads the id of a concert or a schedule: a positive number in its only form.
func parseID(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == text
}

// parseUUID reads an id in the form of RFC 9562; package uuid reads others as well.
func parseUUID(text string) (uuid.UUID, bool) {
	if len(text) != len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}
