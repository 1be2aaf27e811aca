package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// raw sends a body as it is, as JSON unless the headers say otherwise.
func (h *house) raw(method, path, payload string, headers ...string) (reply, error) {
	request, err := http.NewRequest(method, h.url+path, strings.NewReader(payload))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			request.Header.Del(headers[i])
		}
	}
	return h.do(request)
}

// rawRefused sends a body as it is and has to be refused.
func (p *person) rawRefused(status int, code, method, path, payload string, headers ...string) reply {
	p.t.Helper()
	own := []string{"Authorization", "Bearer " + p.token, queueToken, p.place, idempotencyKey, newKey()}
	r, err := p.house.raw(method, "/api/v1"+path, payload, append(own, headers...)...)
	require.NoError(p.t, err)
	requireProblem(p.t, status, code, r, fmt.Sprintf("%s %s %.80s", method, path, payload))
	return r
}

// testOrderOfRefusals makes requests that are wrong in every way, and takes one fault
// after the other away: what is wrong is told in the order of the contract.
func testOrderOfRefusals(t *testing.T, h *house) {
	const (
		huge    = 64<<10 + 1
		rubbish = `{"seatNumber":`
	)
	s := h.stage(t, body{"capacity": 1})
	in, waiting := h.register(t, "In"), h.register(t, "Waiting")
	in.enter(s)
	waiting.join(s)
	path := s.path() + "/reservations"
	badKey := strings.Repeat("k", 256)
	large := rubbish + strings.Repeat(" ", huge)
	plain := []string{"Content-Type", "text/plain", idempotencyKey, badKey}
	with := func(more ...string) []string { return append(slices.Clip(plain), more...) }

	in.rawRefused(http.StatusNotFound, "not-found", "POST", "/nowhere", large, with("Authorization", "")...)
	r := in.rawRefused(http.StatusMethodNotAllowed, "method-not-allowed", "PUT", "/schedules/999999999/reservations", large,
		with("Authorization", "")...)
	require.Contains(t, r.header.Get("Allow"), "POST")
	for _, unknown := range []string{"999999999", "0", "-1", "x", "1.5", "99999999999999999999"} {
		in.rawRefused(http.StatusNotFound, "schedule-not-found", "POST", "/schedules/"+unknown+"/reservations", large,
			with("Authorization", "")...)
	}
	in.rawRefused(http.StatusUnauthorized, "unauthenticated", "POST", path, large, with("Authorization", "", queueToken, "")...)
	in.rawRefused(http.StatusUnauthorized, "queue-token-required", "POST", path, large, with(queueToken, "")...)
	waiting.rawRefused(http.StatusForbidden, "not-admitted", "POST", path, large, plain...)
	in.rawRefused(http.StatusUnsupportedMediaType, "unsupported-media-type", "POST", path, large, plain...)
	in.rawRefused(http.StatusRequestEntityTooLarge, "body-too-large", "POST", path, large, idempotencyKey, badKey)
	in.rawRefused(http.StatusBadRequest, "malformed-request", "POST", path, rubbish, idempotencyKey, badKey)
	r = in.rawRefused(http.StatusUnprocessableEntity, "invalid-request", "POST", path, `{"seatNumber":0}`, idempotencyKey, badKey)
	require.Equal(t, "header."+idempotencyKey, r.body["errors"].([]any)[0].(map[string]any)["location"])
	r = in.rawRefused(http.StatusUnprocessableEntity, "invalid-request", "POST", path, `{"seatNumber":0}`)
	require.Equal(t, "body.seatNumber", r.body["errors"].([]any)[0].(map[string]any)["location"])
	in.hold(s, 1)

	// Calls that require a key miss it before they look at values.
	in.rawRefused(http.StatusForbidden, "forbidden", "POST", waiting.path("/points/charges"), large, plain...)
	for path, values := range map[string]string{in.path("/points/charges"): `{"amount":0}`, "/payments": `{"reservationId":"x"}`} {
		in.rawRefused(http.StatusUnsupportedMediaType, "unsupported-media-type", "POST", path, large, "Content-Type", "text/plain", idempotencyKey, "")
		in.rawRefused(http.StatusRequestEntityTooLarge, "body-too-large", "POST", path, large, idempotencyKey, "")
		in.rawRefused(http.StatusBadRequest, "malformed-request", "POST", path, rubbish, idempotencyKey, "")
		in.rawRefused(http.StatusBadRequest, "idempotency-key-required", "POST", path, values, idempotencyKey, "")
		in.rawRefused(http.StatusUnprocessableEntity, "invalid-request", "POST", path, values)
	}
	admin := h.organiser(t)
	admin.rawRefused(http.StatusNotFound, "concert-not-found", "POST", "/admin/concerts/999999999/schedules", large, with("Authorization", "")...)
	in.rawRefused(http.StatusForbidden, "forbidden", "POST", "/admin/concerts/"+itoa(s.ConcertID)+"/schedules", large, plain...)
}

// testBadInput sends every body value that is wrong, and changes nothing by it.
func testBadInput(t *testing.T, h *house) {
	s := h.stage(t, nil)
	user, admin := h.register(t, "Clumsy"), h.organiser(t)
	user.enter(s)
	before := user.seats(s)
	calls := []struct {
		p                    *person
		method, path, member string
		bad                  []string
	}{
		{
			user, "POST", user.path("/points/charges"), "amount",
			[]string{`0`, `-1`, `10000001`, `1.5`, `"1"`, `1e400`, `9223372036854775808`, `true`, `[1]`, `{}`, `null`},
		},
		{
			user, "POST", s.path() + "/reservations", "seatNumber",
			[]string{`0`, `51`, `-1`, `1.5`, `"1"`, `9223372036854775808`, `true`, `[1]`, `null`},
		},
		{user, "POST", "/payments", "reservationId", []string{`""`, `"x"`, `7`, `true`, `[]`, `null`}},
		{user, "POST", "/users", "name", []string{`""`, `"` + strings.Repeat("n", 101) + `"`, `7`, `null`, `"a\u0000b"`}},
		{admin, "POST", "/admin/concerts", "title", []string{`""`, `7`, `null`}},
		{admin, "PATCH", "/admin" + s.path() + "/queue", "capacity", []string{`0`, `100001`, `-1`, `"1"`, `1.5`}},
		{admin, "PATCH", "/admin" + s.path() + "/queue", "admitPerSecond", []string{`-1`, `"1"`, `1.5`}},
		{admin, "PATCH", "/admin" + s.path() + "/queue", "paused", []string{`1`, `"true"`}},
	}
	for _, call := range calls {
		rest := ""
		if call.member == "title" {
			rest = `,"price":1`
		}
		for _, bad := range call.bad {
			payload := fmt.Sprintf(`{%q:%s%s}`, call.member, bad, rest)
			r := call.p.rawRefused(http.StatusUnprocessableEntity, "invalid-request", call.method, call.path, payload)
			require.Equal(t, "body."+call.member, r.body["errors"].([]any)[0].(map[string]any)["location"], payload)
		}
		call.p.rawRefused(http.StatusUnprocessableEntity, "invalid-request", call.method, call.path, `{"surprise":1}`)
		for _, malformed := range []string{
			``, `{`, `{"a":1}{}`, `{"a":1} x`, `nul`, "\"\xff\"", `{"a":"` + "\xc3\x28" + `"}`, `{'a':1}`, `{"a":01}`,
		} {
			if malformed != "" {
				call.p.rawRefused(http.StatusBadRequest, "malformed-request", call.method, call.path, malformed)
			}
		}
		for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"} {
			call.p.rawRefused(http.StatusUnsupportedMediaType, "unsupported-media-type", call.method, call.path, `{}`, "Content-Type", media)
		}
		call.p.rawRefused(http.StatusRequestEntityTooLarge, "body-too-large", call.method, call.path,
			`{"a":"`+strings.Repeat("a", 64<<10)+`"}`)
	}
	require.Equal(t, before, user.seats(s))
	require.Zero(t, user.balance())

	// null is the same as absent.
	admin.must(http.StatusCreated, "POST", "/admin/concerts", body{"title": "T", "price": 1, "artist": nil})
	admin.must(http.StatusOK, "PATCH", "/admin"+s.path()+"/queue", body{"capacity": nil, "paused": nil})

	// Other spellings of JSON's type are taken, and so is none.
	for _, media := range []string{"", "application/json; charset=utf-8", "application/problem+json", "Application/JSON"} {
		r, err := h.raw("POST", "/api/v1/users", `{"name":"A"}`, "Content-Type", media)
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, r.status, media)
	}
	require.Equal(t, strings.Repeat("é", 100), user.must(http.StatusCreated, "POST", "/users",
		body{"name": strings.Repeat("é", 100)}).text("name"), "characters are counted, not bytes")
}

// testBadSchedules announces concerts and schedules that cannot be.
func testBadSchedules(t *testing.T, h *house) {
	admin := h.organiser(t)
	concert := admin.must(http.StatusCreated, "POST", "/admin/concerts", body{"title": "T", "price": 0})
	requireMembers(t, concert.body, "concertId", "title", "artist", "description", "price")
	require.Equal(t, "/api/v1/concerts/"+concert.text("concertId"), concert.header.Get("Location"))
	for _, bad := range []body{{"title": "T"}, {"price": 1}, {"title": "T", "price": -1}, {"title": " ", "price": 1}} {
		admin.refused(http.StatusUnprocessableEntity, "invalid-request", "POST", "/admin/concerts", bad)
	}
	starts := time.Now().Add(24 * time.Hour)
	good := body{"startsAt": instant(starts), "endsAt": instant(starts.Add(time.Hour)), "timeZone": "Europe/Berlin"}
	path := "/admin/concerts/" + concert.text("concertId") + "/schedules"
	created := admin.must(http.StatusCreated, "POST", path, good)
	requireMembers(t, created.body, "scheduleId", "concertId", "title", "startsAt", "endsAt", "timeZone", "salesOpenAt",
		"salesCloseAt", "totalSeats", "availableSeats", "price")
	require.Equal(t, "/api/v1/schedules/"+created.text("scheduleId"), created.header.Get("Location"))
	require.Equal(t, created.text("startsAt"), created.text("salesCloseAt"))
	for _, bad := range []body{
		{"endsAt": instant(starts)},
		{"endsAt": "tomorrow"},
		{"startsAt": nil},
		{"timeZone": nil},
		{"timeZone": ""},
		{"timeZone": "Mars/Olympus"},
		{"timeZone": "Local"},
		{"timeZone": "../etc/passwd"},
		{"salesOpenAt": instant(starts), "salesCloseAt": instant(starts)},
		{"salesCloseAt": instant(time.Now().Add(-time.Hour))},
		{"salesCloseAt": instant(starts.Add(time.Second))},
		{"price": -1},
		{"seatPrices": []body{{"from": 0, "to": 1, "price": 1}}},
		{"seatPrices": []body{{"from": 50, "to": 51, "price": 1}}},
		{"seatPrices": []body{{"from": 2, "to": 1, "price": 1}}},
		{"seatPrices": []body{{"from": 1, "to": 2, "price": -1}}},
		{"seatPrices": []body{{"from": 1, "to": 10, "price": 1}, {"from": 10, "to": 11, "price": 1}}},
		{"capacity": 0},
		{"capacity": 100_001},
		{"admitPerSecond": -1},
	} {
		terms := maps.Clone(good)
		maps.Copy(terms, bad)
		admin.refused(http.StatusUnprocessableEntity, "invalid-request", "POST", path, terms)
	}
	admin.refused(http.StatusNotFound, "concert-not-found", "POST", "/admin/concerts/999999999/schedules", good)
	admin.refused(http.StatusNotFound, "schedule-not-found", "PATCH", "/admin/schedules/999999999/queue", body{})
	require.Len(t, all[schedule](admin, "/concerts/"+concert.text("concertId")+"/schedules", 20), 1)
}

// testOperations looks at what is there for those who run a node.
func testOperations(t *testing.T, h *house) {
	for path, media := range map[string]string{
		"/livez": "", "/readyz": "", "/metrics": "text/plain", "/openapi.json": "json", "/docs": "text/html",
		"/.well-known/jwks.json": "json",
	} {
		response, err := h.http.Get(h.url + path)
		require.NoError(t, err)
		content, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode, path)
		require.Contains(t, response.Header.Get("Content-Type"), media)
		require.NotEmpty(t, response.Header.Get("X-Request-Id"), path)
		if path == "/docs" {
			require.NotRegexp(t, `(src|href)="(https?:)?//`, string(content), "assets from outside")
		}
	}
	const trace = "0af7651916cd43dd8448eb211c80319c"
	traced := h.nobody(t).get("/concerts", "Traceparent", "00-"+trace+"-b7ad6b7169203331-01", "X-Request-Id", "mine")
	require.Contains(t, traced.header.Get("Traceparent"), trace)
	require.Equal(t, "mine", traced.header.Get("X-Request-Id"))
	requireProblem(t, http.StatusNotFound, "not-found", h.call("GET", "/nowhere", nil))
	requireProblem(t, http.StatusMethodNotAllowed, "method-not-allowed", h.call("DELETE", "/livez", nil))
}
