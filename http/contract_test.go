package http

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestEveryCallAnswersAsTheContractSays(t *testing.T) {
	t.Parallel()
	f := setup(t)
	require.NoError(t, f.api.writeDocument())
	for _, s := range append(samples(), operationSamples()...) {
		t.Run(s.id, func(t *testing.T) {
			f := f.in(t)
			if s.arrange != nil {
				s.arrange(f)
			}
			a := f.do(s.method, s.target, s.body, f.right(s)...)
			require.Equalf(t, s.status, a.Code, "%s", a.Body)
			if s.want != "" {
				a.succeeded(s.status, s.want)
			}
			for name, value := range s.header {
				require.Equal(t, value, a.Header().Get(name), name)
			}
			if strings.HasPrefix(s.target, "/api/") && s.header["Cache-Control"] == "" {
				require.Equal(t, "private, no-store", a.Header().Get("Cache-Control"))
			}
			if s.method == http.MethodGet {
				head := f.do(http.MethodHead, s.target, "", f.right(s)...)
				require.Equal(t, a.Code, head.Code)
				require.Equal(t, a.Header().Get("ETag"), head.Header().Get("ETag"))
			}
		})
	}
}

func TestEveryCallHasASample(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var have, want []string
	for _, s := range append(samples(), operationSamples()...) {
		have = append(have, s.id)
	}
	for _, item := range f.api.openapi.Paths {
		for _, op := range operationsOf(item) {
			want = append(want, op.OperationID)
		}
	}
	require.ElementsMatch(t, want, have)
}

// mistake is something wrong with a request. Later mistakes of a list are told only
// when the earlier ones are mended, but for those of the request itself, which are told in
// any order.
type mistake struct {
	what   string
	target func(target string) string // nil: as it was
	body   string                     // empty: as it was
	option option                     // nil: none
	status int
	code   boxoffice.Code
	own    bool // of the request itself
}

// mistakes lists what can be wrong with a call before its values, in the contract's order.
func mistakes(f *fixture, rt *operation) []mistake {
	var all []mistake
	add := func(when bool, more ...mistake) {
		if when {
			all = append(all, more...)
		}
	}
	replace := func(old, with string) func(string) string {
		return func(target string) string { return strings.Replace(target, old, with, 1) }
	}
	hasToken := rt.access != public && rt.access != placeHolder
	other := admittedClaims()
	other.UserID = otherID
	elsewhere := admittedClaims()
	elsewhere.ScheduleID++
	add(strings.Contains(rt.pattern, "{concertId}"),
		mistake{what: "unknown concert", target: replace("/concerts/3", "/concerts/4"), status: 404, code: boxoffice.CodeConcertNotFound},
		mistake{what: "malformed concert", target: replace("/concerts/3", "/concerts/03"), status: 404, code: boxoffice.CodeConcertNotFound})
	add(strings.Contains(rt.pattern, "{scheduleId}"),
		mistake{what: "unknown schedule", target: replace("/schedules/7", "/schedules/8"), status: 404, code: boxoffice.CodeScheduleNotFound},
		mistake{what: "malformed schedule", target: replace("/schedules/7", "/schedules/seven"), status: 404, code: boxoffice.CodeScheduleNotFound})
	add(hasToken,
		mistake{what: "no access token", option: without("Authorization"), status: 401, code: boxoffice.CodeUnauthenticated},
		mistake{what: "forged access token", option: with("Authorization", "Bearer a.b.c"), status: 401, code: boxoffice.CodeUnauthenticated})
	add(rt.access == adminsOnly, mistake{what: "not an admin", option: f.as(userID), status: 403, code: boxoffice.CodeForbidden})
	add(strings.Contains(rt.pattern, "{userId}"),
		mistake{what: "another user", target: replace(userID.String(), otherID.String()), status: 403, code: boxoffice.CodeForbidden},
		mistake{what: "malformed user", target: replace(userID.String(), "me"), status: 404, code: boxoffice.CodeUserNotFound})
	add(rt.access == usersOnly, mistake{what: "an admin", option: f.admin(), status: 403, code: boxoffice.CodeForbidden})
	add(hasToken && rt.access != adminsOnly && !strings.Contains(rt.pattern, "{userId}"),
		mistake{what: "never registered", option: f.as(strangeID), status: 404, code: boxoffice.CodeUserNotFound})
	add(rt.guarded || rt.access == placeHolder,
		mistake{what: "no queue token", option: without(queueTokenHeader), status: 401, code: boxoffice.CodeQueueTokenRequired},
		mistake{what: "forged queue token", option: with(queueTokenHeader, "a.b.c"), status: 401, code: boxoffice.CodeQueueTokenInvalid},
		mistake{what: "another schedule's queue token", option: f.queue(elsewhere), status: 401, code: boxoffice.CodeQueueTokenInvalid})
	add(rt.guarded,
		mistake{what: "another user's queue token", option: f.queue(other), status: 401, code: boxoffice.CodeQueueTokenInvalid},
		mistake{what: "waiting queue token", option: f.queue(waitingClaims()), status: 403, code: boxoffice.CodeNotAdmitted})
	add(rt.bodyRule() != bodyIgnored,
		mistake{what: "not JSON", option: with("Content-Type", "text/plain"), status: 415, code: boxoffice.CodeUnsupportedMediaType},
		mistake{what: "too large", body: strings.Repeat(" ", maxBody+1), status: 413, code: boxoffice.CodeBodyTooLarge},
		mistake{what: "does not parse", body: `{`, status: 400, code: boxoffice.CodeMalformedRequest},
		mistake{what: "something after it", body: `{} {}`, status: 400, code: boxoffice.CodeMalformedRequest})
	add(rt.key == keyRequired,
		mistake{what: "no key", option: without(idempotencyKeyHeader), status: 400, code: boxoffice.CodeIdempotencyKeyRequired})
	add(rt.key != keyIgnored,
		mistake{what: "key too long", option: key(strings.Repeat("k", maxKeyLength+1)), status: 422, code: boxoffice.CodeInvalidRequest},
		mistake{what: "key reused", option: key("reused"), status: 422, code: boxoffice.CodeIdempotencyKeyReused})
	add(rt.bodyRule() != bodyIgnored,
		mistake{what: "unknown member", body: `{"colour":"red"}`, status: 422, code: boxoffice.CodeInvalidRequest})
	for i := range all {
		switch all[i].status {
		case 400, 413, 415, 422:
			all[i].own = true
		}
	}
	return all
}

func TestMistakesAreToldInTheContractsOrder(t *testing.T) {
	t.Parallel()
	f := setup(t)
	allowSeats(f) // the guard's last word, where the schedule is not reached otherwise
	f.place = func(int64, boxoffice.PlaceRef) (boxoffice.Place, error) { return waitingPlace(), nil }
	f.storedAnswer = func(key boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
		if key.Key == "reused" {
			return boxoffice.Outcome{}, false, boxoffice.Errorf(boxoffice.CodeIdempotencyKeyReused, "another request's")
		}
		return boxoffice.Outcome{}, false, nil
	}
	for _, s := range samples() {
		t.Run(s.id, func(t *testing.T) {
			f := f.in(t)
			all := mistakes(f, f.operationOf(s.id))
			for first := range all {
				target, body, options := s.target, s.body, f.right(s)
				// Of mistakes that are about the same thing the first is made, so go backwards.
				for _, m := range slices.Backward(all[first:]) {
					if m.target != nil {
						target = m.target(s.target)
					}
					if m.body != "" {
						body = m.body
					}
					if m.option != nil {
						options = append(options, m.option)
					}
				}
				a := f.do(s.method, target, body, options...)
				t.Logf("%s: %d", all[first].what, a.Code)
				if !all[first].own {
					a.refused(all[first].status, all[first].code)
					continue
				}
				require.True(t, slices.ContainsFunc(all[first:], func(m mistake) bool {
					return m.status == a.Code && string(m.code) == a.code()
				}), "%s", a.Body)
			}
		})
	}
}

// operationOf finds an operation by its id.
func (f *fixture) operationOf(id string) *operation {
	i := slices.IndexFunc(f.api.operations, func(op *operation) bool { return op.id == id })
	require.GreaterOrEqual(f.t, i, 0, "there is no operation %s", id)
	return f.api.operations[i]
}
