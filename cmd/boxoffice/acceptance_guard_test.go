package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// testGuard comes to the guarded calls with every wrong queue token.
func testGuard(t *testing.T, h *house) {
	s, elsewhere := h.stage(t, body{"capacity": 1}), h.stage(t, nil)
	in, waiting, outside := h.register(t, "In"), h.register(t, "Waiting"), h.register(t, "Outside")
	in.enter(s)
	waiting.join(s)
	outside.enter(elsewhere)
	for _, test := range []struct {
		name, code string
		status     int
		access     *person
		token      string
	}{
		{"none", "queue-token-required", http.StatusUnauthorized, in, ""},
		{"rubbish", "queue-token-invalid", http.StatusUnauthorized, in, "rubbish"},
		{"forged", "queue-token-invalid", http.StatusUnauthorized, in, in.place[:len(in.place)-4] + "AAAA"},
		{"of somebody else", "queue-token-invalid", http.StatusUnauthorized, outside, in.place},
		{"of another schedule", "queue-token-invalid", http.StatusUnauthorized, outside, outside.place},
		{"an access token", "queue-token-invalid", http.StatusUnauthorized, in, in.token},
		{"of a place that waits", "not-admitted", http.StatusForbidden, waiting, waiting.place},
	} {
		p := test.access.as(t)
		p.place = test.token
		for _, r := range []reply{
			p.refused(test.status, test.code, "GET", s.path()+"/seats", nil),
			p.refused(test.status, test.code, "POST", s.path()+"/reservations", body{"seatNumber": 1}),
		} {
			if test.code == "not-admitted" {
				require.Contains(t, r.header.Get("Link"), s.me())
			}
		}
	}
	// An admin sees the map without a place, and reserves nothing.
	admin := h.organiser(t)
	admin.seats(s)
	admin.refused(http.StatusForbidden, "forbidden", "POST", s.path()+"/reservations", body{"seatNumber": 1})

	// The place's own routes ask for the queue token and for nothing else.
	for _, authorization := range []string{"", "Bearer rubbish", "Bearer " + outside.token} {
		in.get(s.me(), "Authorization", authorization)
	}
	stranger := h.nobody(t)
	for _, method := range []string{"GET", "DELETE"} {
		stranger.refused(http.StatusUnauthorized, "queue-token-required", method, s.me(), nil)
		stranger.refused(http.StatusUnauthorized, "queue-token-invalid", method, s.me(), nil, queueToken, "rubbish")
		stranger.refused(http.StatusUnauthorized, "queue-token-invalid", method, s.me(), nil, queueToken, in.token)
		stranger.refused(http.StatusUnauthorized, "queue-token-invalid", method, s.me(), nil, queueToken, outside.place)
	}
	in.get(s.me())

	tag := in.get(s.path() + "/seats").header.Get("ETag")
	require.Equal(t, `"`+itoa(in.seats(s).Version)+`"`, tag)
	in.must(http.StatusNotModified, "GET", s.path()+"/seats", nil, "If-None-Match", tag)
	in.hold(s, 1)
	require.NotEqual(t, tag, in.get(s.path()+"/seats", "If-None-Match", tag).header.Get("ETag"))
}

// testTokens shows access tokens that are none of ours, and checks ours as others would.
func testTokens(t *testing.T, h *house) {
	s := h.stage(t, nil)
	user := h.register(t, "Somebody")
	user.enter(s)
	for name, authorization := range map[string]string{
		"none":           "",
		"another scheme": "Basic " + user.token,
		"no token":       "Bearer ",
		"rubbish":        "Bearer rubbish",
		"forged":         "Bearer " + user.token[:len(user.token)-4] + "AAAA",
		"a queue token":  "Bearer " + user.place,
	} {
		t.Log(name)
		user.refused(http.StatusUnauthorized, "unauthenticated", "GET", user.path("/points"), nil, "Authorization", authorization)
		user.refused(http.StatusUnauthorized, "unauthenticated", "GET", s.path()+"/seats", nil, "Authorization", authorization)
	}

	// A token that ends while it is used.
	status, token, stderr := runProgram(t, []string{"token", "-role", "user", "-user", user.id, "-ttl", "1s"}, h.environ...)
	require.Equal(t, exitStopped, status, stderr)
	issued := time.Now()
	passing := user.as(t)
	passing.token = strings.TrimSpace(token)
	require.Eventually(t, func() bool {
		r, err := passing.try("GET", user.path("/points"), nil)
		return err == nil && r.status == http.StatusUnauthorized
	}, soon, pollEvery)
	require.Less(t, time.Since(issued), 1200*time.Millisecond+clockSlack, "the token outlived itself")
	user.get(user.path("/points"))

	keys := into[struct {
		Keys []struct{ Kty, Crv, X, Kid, Alg string }
	}](t, h.call("GET", "/.well-known/jwks.json", nil))
	require.Len(t, keys.Keys, 1)
	public, err := base64.RawURLEncoding.DecodeString(keys.Keys[0].X)
	require.NoError(t, err)
	signed := user.token[:strings.LastIndexByte(user.token, '.')]
	signature, err := base64.RawURLEncoding.DecodeString(user.token[len(signed)+1:])
	require.NoError(t, err)
	require.True(t, ed25519.Verify(public, []byte(signed), signature))
	_, payload, _ := strings.Cut(signed, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(payload)
	require.NoError(t, err)
	var claims struct{ Sub string }
	require.NoError(t, json.Unmarshal(decoded, &claims))
	require.Equal(t, user.id, claims.Sub)
}

// testWhoMayDoWhat makes every call about a user as another one, and as an admin.
func testWhoMayDoWhat(t *testing.T, h *house) {
	s := h.stage(t, nil)
	owner, other, admin := h.register(t, "Owner"), h.register(t, "Other"), h.organiser(t)
	owner.charge(seatPrice)
	bought := owner.buy(s, 1)
	reads := []string{"", "/points", "/points/history", "/reservations", "/payments"}
	for _, below := range reads {
		owner.get(owner.path(below))
		require.Equal(t, owner.get(owner.path(below)).body, admin.get(owner.path(below)).body)
		other.refused(http.StatusForbidden, "forbidden", "GET", owner.path(below), nil)
		h.nobody(t).refused(http.StatusUnauthorized, "unauthenticated", "GET", owner.path(below), nil)
		for _, unknown := range []string{uuid.Must(uuid.NewV7()).String(), "7", "x"} {
			admin.refused(http.StatusNotFound, "user-not-found", "GET", "/users/"+unknown+below, nil)
		}
	}
	for path, code := range map[string]string{
		"/reservations/" + bought.ReservationID: "reservation-not-found",
		"/payments/" + bought.PaymentID:         "payment-not-found",
	} {
		require.Equal(t, owner.get(path).body, admin.get(path).body)
		other.refused(http.StatusNotFound, code, "GET", path, nil)
		h.nobody(t).refused(http.StatusUnauthorized, "unauthenticated", "GET", path, nil)
		for _, unknown := range []string{uuid.Must(uuid.NewV7()).String(), "7"} {
			owner.refused(http.StatusNotFound, code, "GET", path[:strings.LastIndexByte(path, '/')+1]+unknown, nil)
		}
	}

	// Only the user charges, reserves and pays.
	key := []string{idempotencyKey, "k"}
	for _, p := range []*person{other, admin} {
		p.refused(http.StatusForbidden, "forbidden", "POST", owner.path("/points/charges"), body{"amount": 1}, key...)
	}
	admin.refused(http.StatusForbidden, "forbidden", "POST", s.path()+"/queue-tokens", nil)
	admin.refused(http.StatusNotFound, "reservation-not-found", "POST", "/payments", body{"reservationId": bought.ReservationID}, key...)
	admin.refused(http.StatusNotFound, "payment-not-found", "POST", "/payments/"+bought.PaymentID+"/cancellation", nil, key...)
	admin.refused(http.StatusNotFound, "reservation-not-found", "DELETE", "/reservations/"+bought.ReservationID, nil)

	// Only an admin changes the catalogue.
	for method, path := range map[string]string{
		"POST":  "/admin/concerts",
		"PATCH": "/admin" + s.path() + "/queue",
	} {
		owner.refused(http.StatusForbidden, "forbidden", method, path, body{})
		h.nobody(t).refused(http.StatusUnauthorized, "unauthenticated", method, path, body{})
	}
	owner.refused(http.StatusForbidden, "forbidden", "POST", "/admin/concerts/"+itoa(s.ConcertID)+"/schedules", body{})

	// A token that is genuine, of a user who never registered.
	id := uuid.Must(uuid.NewV7()).String()
	status, token, stderr := runProgram(t, []string{"token", "-role", "user", "-user", id, "-ttl", "1m"}, h.environ...)
	require.Equal(t, exitStopped, status, stderr)
	ghost := h.nobody(t)
	ghost.id, ghost.token = id, strings.TrimSpace(token)
	for _, below := range reads {
		ghost.refused(http.StatusNotFound, "user-not-found", "GET", ghost.path(below), nil)
	}
	ghost.refused(http.StatusNotFound, "user-not-found", "POST", ghost.path("/points/charges"), body{"amount": 1}, key...)
	ghost.refused(http.StatusNotFound, "user-not-found", "POST", s.path()+"/queue-tokens", nil)
}
