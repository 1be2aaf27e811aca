package http

import (
	"crypto/ed25519"
	"encoding/base64"
	"maps"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestAccessTokens(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, 1)
	for _, caller := range []Caller{{UserID: userID}, {UserID: adminID, Admin: true}} {
		token, expiresAt, err := keys.SignAccess(caller, start.Add(700*time.Millisecond), 90*time.Second)
		require.NoError(t, err)
		require.Equal(t, start.Add(90*time.Second), expiresAt)
		require.Less(t, len(token), 400)
		for range 2 { // checked, then remembered
			got, err := keys.verifyAccess(token, expiresAt.Add(-time.Millisecond))
			require.NoError(t, err)
			require.Equal(t, caller, got)
		}
		for range 2 { // also once it is forgotten
			_, err = keys.verifyAccess(token, expiresAt)
			require.Equal(t, boxoffice.CodeUnauthenticated, boxoffice.CodeOf(err))
		}
		_, err = newKeys(t, 2).verifyAccess(token, start)
		require.Error(t, err)
		got, err := newKeys(t, 1).verifyAccess(token, start) // another node with the same key
		require.NoError(t, err)
		require.Equal(t, caller, got)
	}
}

// forged lists tokens that are none of ours, signed with our key where that is possible.
func forged(t *testing.T, keys *Keys) map[string]string {
	t.Helper()
	sign := func(method jwt.SigningMethod, with any, header map[string]any, claims jwt.MapClaims) string {
		token := jwt.NewWithClaims(method, claims)
		maps.Copy(token.Header, header)
		signed, err := token.SignedString(with)
		require.NoError(t, err)
		return signed
	}
	header := map[string]any{"typ": accessTokenType, "kid": keys.id}
	changed := func(name string, value any) map[string]any {
		h := map[string]any{"typ": accessTokenType, "kid": keys.id}
		h[name] = value
		return h
	}
	claims := func(name string, value any) jwt.MapClaims {
		c := jwt.MapClaims{"iss": issuer, "sub": userID.String(), "role": "user", "exp": start.Add(time.Hour).Unix()}
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
		return c
	}
	right := sign(jwt.SigningMethodEdDSA, keys.private, header, claims("", nil))
	_, err := keys.verifyAccess(right, start)
	require.NoError(t, err, "the others must differ in what they are here for")
	parts := strings.Split(right, ".")
	public := []byte(keys.private.Public().(ed25519.PublicKey))
	none := sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, header, claims("", nil))
	return map[string]string{
		"empty":                   "",
		"dots":                    "..",
		"words":                   "hello",
		"two parts":               parts[0] + "." + parts[1],
		"four parts":              right + ".x",
		"no signature":            parts[0] + "." + parts[1] + ".",
		"another's signature":     sign(jwt.SigningMethodEdDSA, newKeys(t, 2).private, header, claims("", nil)),
		"other claims":            parts[0] + "." + strings.Split(none, ".")[1][:20] + parts[1][20:] + "x." + parts[2],
		"none":                    none,
		"HMAC with public key":    sign(jwt.SigningMethodHS256, public, header, claims("", nil)),
		"HMAC with queue key":     sign(jwt.SigningMethodHS256, keys.queueKey, header, claims("", nil)),
		"plain JWT":               sign(jwt.SigningMethodEdDSA, keys.private, changed("typ", "JWT"), claims("", nil)),
		"queue type":              sign(jwt.SigningMethodEdDSA, keys.private, changed("typ", "queue+jwt"), claims("", nil)),
		"type is a list":          sign(jwt.SigningMethodEdDSA, keys.private, changed("typ", []string{accessTokenType}), claims("", nil)),
		"other key id":            sign(jwt.SigningMethodEdDSA, keys.private, changed("kid", "x"), claims("", nil)),
		"critical":                sign(jwt.SigningMethodEdDSA, keys.private, changed("crit", []string{"b64"}), claims("", nil)),
		"other issuer":            sign(jwt.SigningMethodEdDSA, keys.private, header, claims("iss", "somebody")),
		"no issuer":               sign(jwt.SigningMethodEdDSA, keys.private, header, claims("iss", nil)),
		"no subject":              sign(jwt.SigningMethodEdDSA, keys.private, header, claims("sub", nil)),
		"subject is no id":        sign(jwt.SigningMethodEdDSA, keys.private, header, claims("sub", "root")),
		"no role":                 sign(jwt.SigningMethodEdDSA, keys.private, header, claims("role", nil)),
		"other role":              sign(jwt.SigningMethodEdDSA, keys.private, header, claims("role", "Admin")),
		"role is a list":          sign(jwt.SigningMethodEdDSA, keys.private, header, claims("role", []string{"admin"})),
		"never expires":           sign(jwt.SigningMethodEdDSA, keys.private, header, claims("exp", nil)),
		"expired":                 sign(jwt.SigningMethodEdDSA, keys.private, header, claims("exp", start.Unix())),
		"expired before 1970":     sign(jwt.SigningMethodEdDSA, keys.private, header, claims("exp", -1)),
		"expiry is text":          sign(jwt.SigningMethodEdDSA, keys.private, header, claims("exp", "tomorrow")),
		"huge":                    sign(jwt.SigningMethodEdDSA, keys.private, header, claims("note", strings.Repeat("x", maxAccessToken))),
		"a queue token":           keys.signQueue(admittedClaims()),
		"megabyte":                strings.Repeat("a", 1<<20),
		"signature with a hole":   parts[0] + "." + parts[1] + "." + parts[2][:10] + "\n" + parts[2][10:],
		"padded":                  right + "==",
		"claims are a list":       parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte("[]")) + "." + parts[2],
		"header is not an object": base64.RawURLEncoding.EncodeToString([]byte(`"x"`)) + "." + parts[1] + "." + parts[2],
	}
}

func TestForgedAccessTokensAreRefused(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, 1)
	for name, token := range forged(t, keys) {
		_, err := keys.verifyAccess(token, start)
		require.Equal(t, boxoffice.CodeUnauthenticated, boxoffice.CodeOf(err), name)
		_, ok := keys.verifyQueue(token)
		require.Equal(t, name == "a queue token", ok, name)
	}
}

func TestAuthorizationHeader(t *testing.T) {
	t.Parallel()
	f := setup(t)
	token := f.accessToken(Caller{UserID: userID}, time.Hour)
	for value, want := range map[string]int{
		"Bearer " + token: 200, "BEARER " + token: 200, "Bearer   " + token + " ": 200,
		token: 401, "Basic " + token: 401, "Bearer": 401, "Bearer\t" + token: 401, "Bearer " + token + " x": 401, "": 401,
		"Bearer " + f.keys.signQueue(admittedClaims()): 401,
	} {
		a := f.do("GET", "/api/v1/users/"+userID.String(), "", with("Authorization", value))
		require.Equal(t, want, a.Code, value)
		if want == 401 {
			require.Equal(t, `Bearer realm="boxoffice"`, a.Header().Get("WWW-Authenticate"))
		}
	}
	a := f.do("GET", placeTarget, "", with(queueTokenHeader, token))
	a.refused(401, boxoffice.CodeQueueTokenInvalid)
	require.Equal(t, queueTokenHeader, a.Header().Get("WWW-Authenticate"))
	a = f.do("GET", "/api/v1/users/"+userID.String(), "", func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + token, "Bearer " + token} })
	a.refused(400, boxoffice.CodeMalformedRequest)
}

func queueExtremes() []queueClaims {
	return []queueClaims{
		waitingClaims(), admittedClaims(),
		{ScheduleID: math.MaxInt64, UserID: uuid.Max, Sequence: math.MaxUint64, JoinedAt: math.MinInt64, AdmittedUntil: math.MinInt64},
		{ScheduleID: 1, UserID: userID, Sequence: 0},
	}
}

func TestQueueTokens(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, 1)
	for _, claims := range queueExtremes() {
		token := keys.signQueue(claims)
		require.LessOrEqual(t, len(token), maxQueueToken)
		require.Equal(t, token, newKeys(t, 1).signQueue(claims), "the same on every node")
		got, ok := keys.verifyQueue(token)
		require.True(t, ok)
		require.Equal(t, claims, got)
		_, ok = newKeys(t, 2).verifyQueue(token)
		require.False(t, ok)

		// It is a JWT, as far as others look at it.
		parsed, err := jwt.Parse(token, func(token *jwt.Token) (any, error) {
			require.Equal(t, "queue+jwt", token.Header["typ"])
			return keys.queueKey, nil
		}, jwt.WithValidMethods([]string{"HS256"}), jwt.WithStrictDecoding())
		require.NoError(t, err)
		require.Equal(t, claims.UserID.String(), parsed.Claims.(jwt.MapClaims)["sub"])
	}
}

// Nodes of every release write the same token for the same place.
func TestQueueTokensKeepTheirForm(t *testing.T) {
	t.Parallel()
	for claims, want := range map[queueClaims]string{
		waitingClaims():  `{"iss":"boxoffice","sub":"01939d3a-5c6e-7a11-8f00-5b2f6d1c9e01","schedule":7,"sequence":5,"joinedAt":1795251540000}`,
		admittedClaims(): `{"iss":"boxoffice","sub":"01939d3a-5c6e-7a11-8f00-5b2f6d1c9e01","schedule":7,"sequence":5,"joinedAt":1795251540000,"admittedUntil":1795252200000}`,
	} {
		parts := strings.Split(newKeys(t, 1).signQueue(claims), ".")
		require.Equal(t, base64.RawURLEncoding.EncodeToString([]byte(queueTokenHead)), parts[0])
		require.Equal(t, base64.RawURLEncoding.EncodeToString([]byte(want)), parts[1])
	}
}

// What is not signed is refused, and what is signed but no queue token of this version.
func TestForgedQueueTokens(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, 1)
	sign := func(head, payload string) string {
		signed := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		return signed + "." + keys.queueMAC(signed)
	}
	const payload = `{"iss":"boxoffice","sub":"01939d3a-5c6e-7a11-8f00-5b2f6d1c9e01","schedule":7,"sequence":5,"joinedAt":1}`
	_, ok := keys.verifyQueue(sign(queueTokenHead, payload))
	require.True(t, ok, "the others must differ in what they are here for")
	for _, token := range []string{
		"", ".", "..", "...", "a.b.c", strings.Repeat("a", 1<<20),
		sign(`{"alg":"none","typ":"queue+jwt"}`, payload),
		sign(`{"alg":"HS256","typ":"at+jwt"}`, payload),
		sign(`{"typ":"queue+jwt","alg":"HS256"}`, payload),
		sign(queueTokenHead, strings.Replace(payload, "7,", "07,", 1)),
		sign(queueTokenHead, strings.Replace(payload, "7,", "99999999999999999999,", 1)),
		sign(queueTokenHead, strings.Replace(payload, "1}", `1,"x":1}`, 1)),
		sign(queueTokenHead, payload) + "=",
		sign(queueTokenHead, payload) + "\n",
		sign(queueTokenHead, `[]`),
		sign(queueTokenHead, ``),
	} {
		_, ok := keys.verifyQueue(token)
		require.False(t, ok, clip(token))
	}
}

func TestKeySet(t *testing.T) {
	t.Parallel()
	f := setup(t)
	a := f.do("GET", "/.well-known/jwks.json", "")
	set := decode[jwkSet](a)
	require.Len(t, set.Keys, 1)
	public, err := base64.RawURLEncoding.DecodeString(set.Keys[0].X)
	require.NoError(t, err)
	// Somebody else checks a token with nothing but this.
	token, err := jwt.Parse(f.accessToken(Caller{UserID: userID}, time.Hour), func(token *jwt.Token) (any, error) {
		require.Equal(t, set.Keys[0].ID, token.Header["kid"])
		return ed25519.PublicKey(public), nil
	}, jwt.WithValidMethods([]string{set.Keys[0].Algorithm}), jwt.WithTimeFunc(func() time.Time { return start }))
	require.NoError(t, err)
	subject, err := token.Claims.GetSubject()
	require.NoError(t, err)
	require.Equal(t, userID.String(), subject)
	require.NotContains(t, a.Body.String(), base64.RawURLEncoding.EncodeToString(f.keys.private.Seed()))

	_, err = NewKeys(ed25519.PrivateKey("short"))
	require.Error(t, err)
}

func FuzzAccessToken(f *testing.F) {
	keys := newKeys(f, 1)
	token, _, err := keys.SignAccess(Caller{UserID: userID}, start, time.Hour)
	require.NoError(f, err)
	f.Add(token)
	f.Add(keys.signQueue(waitingClaims()))
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		caller, err := keys.verifyAccess(text, start)
		if err == nil {
			require.Equal(t, Caller{UserID: userID}, caller)
			return
		}
		require.Equal(t, boxoffice.CodeUnauthenticated, boxoffice.CodeOf(err))
	})
}

func FuzzQueueToken(f *testing.F) {
	keys := newKeys(f, 1)
	for _, claims := range queueExtremes() {
		f.Add(keys.signQueue(claims))
	}
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		if claims, ok := keys.verifyQueue(text); ok {
			require.Equal(t, text, keys.signQueue(claims))
		}
	})
}
