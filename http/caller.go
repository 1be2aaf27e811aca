package http

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"boxoffice"
)

// Bounds of the ids that a node remembers to exist. Nothing is ever deleted, so a
// remembered id stays valid; other ids are looked up.
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

// findConcert reads the concert of the path, which must exist.
func (a *api) findConcert(_ http.ResponseWriter, r *http.Request, req *request) error {
	id, ok := parseID(pathValue(r.Context(), concertParam))
	if !ok {
		return boxoffice.Errorf(boxoffice.CodeConcertNotFound, "there is no such concert")
	}
	req.concertID = id
	return known(a.knownConcerts, id, func() error {
		_, err := a.Catalogue.Concert(r.Context(), id)
		return err
	})
}

// findSchedule reads the schedule of the path, which must exist.
func (a *api) findSchedule(_ http.ResponseWriter, r *http.Request, req *request) error {
	id, ok := parseID(pathValue(r.Context(), scheduleParam))
	if !ok {
		return boxoffice.Errorf(boxoffice.CodeScheduleNotFound, "there is no such schedule")
	}
	req.scheduleID = id
	return known(a.knownSchedules, id, func() error {
		_, err := a.Catalogue.Schedule(r.Context(), id)
		return err
	})
}

// known looks key up unless this node remembers that it exists.
func known[K comparable](memory *recent[K, struct{}], key K, lookUp func() error) error {
	if _, ok := memory.get(key); ok {
		return nil
	}
	if err := lookUp(); err != nil {
		return err
	}
	memory.add(key, struct{}{})
	return nil
}

// identify determines the caller by the access token, and checks that they may make the
// call.
func (a *api) identify(_ http.ResponseWriter, r *http.Request, req *request) error {
	token, err := bearerToken(r.Header)
	if err != nil {
		return err
	}
	if req.caller, err = a.Keys.verifyAccess(token, req.now); err != nil {
		return err
	}
	access, admin := req.op.access, req.caller.Admin
	if access == adminsOnly && !admin {
		return forbidden("only an admin may do this")
	}
	if req.op.hasPath(userParam) {
		if err := a.findUser(r, req); err != nil {
			return err
		}
	}
	if access == usersOnly && admin {
		return forbidden("an admin reads; only users do this")
	}
	if admin {
		return nil
	}
	return a.knowUser(r.Context(), req.caller.UserID)
}

// findUser reads the user that the path names: the caller, or any registered user if an
// admin reads.
func (a *api) findUser(r *http.Request, req *request) error {
	id, ok := parseUUID(pathValue(r.Context(), userParam))
	if !ok {
		return boxoffice.Errorf(boxoffice.CodeUserNotFound, "there is no such user")
	}
	req.userID = id
	if req.caller.Admin && req.op.access == signedIn {
		return a.knowUser(r.Context(), id)
	}
	if id != req.caller.UserID {
		return forbidden("this is another user's")
	}
	return nil
}

// knowUser fails with user-not-found if no such user was ever registered.
func (a *api) knowUser(ctx context.Context, id uuid.UUID) error {
	return known(a.knownUsers, id, func() error {
		_, err := a.Users.User(ctx, id)
		return err
	})
}

func forbidden(detail string) error {
	return boxoffice.Errorf(boxoffice.CodeForbidden, "%s", detail)
}

// bearerToken returns the access token of a request.
func bearerToken(header http.Header) (string, error) {
	scheme, token, _ := strings.Cut(header.Get("Authorization"), " ")
	token = strings.Trim(token, " ")
	if token == "" || !strings.EqualFold(scheme, "Bearer") {
		return "", boxoffice.Errorf(boxoffice.CodeUnauthenticated, "send an access token as Authorization: Bearer <token>")
	}
	return token, nil
}

// pathValue returns a path parameter, unescaped: chi routes by the escaped path.
func pathValue(ctx context.Context, name string) string {
	text := chi.URLParamFromCtx(ctx, name)
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// pathID returns an id in the path; zero, which identifies nothing, if it is not valid.
func pathID(ctx context.Context, name string) uuid.UUID {
	id, _ := parseUUID(pathValue(ctx, name))
	return id
}

// parseID parses the id of a concert or a schedule: a positive number in canonical form.
func parseID(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == text
}

// parseUUID parses an id in the form of RFC 9562; package uuid accepts other forms as well.
func parseUUID(text string) (uuid.UUID, bool) {
	if len(text) != len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}
