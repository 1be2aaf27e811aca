package http

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"boxoffice"
)

// queueClaims are the claims of a queue token. The token is a JWT with one header and one
// order of claims, so that a place has the same token, byte for byte, on every node, and no
// parser is needed that could be tricked into another algorithm or type:
//
//	{"alg":"HS256","typ":"queue+jwt"} . {"iss","sub","schedule","sequence","joinedAt"[,"admittedUntil"]} . MAC
//
// It has no "exp": its waiting room and its schedule decide whether a place has ended (a
// live hold lengthens an admission). Its claims are all that the answer to a poll needs
// besides the line itself.
type queueClaims struct {
	UserID     uuid.UUID `json:"sub"`
	ScheduleID int64     `json:"schedule"`
	Sequence   uint64    `json:"sequence"`
	JoinedAt   int64     `json:"joinedAt"` // Unix milliseconds
	// AdmittedUntil is the end of the admission, without holds, in Unix milliseconds; 0
	// while waiting.
	AdmittedUntil int64 `json:"admittedUntil,omitzero"`
}

// issuedClaims are the claims as they stand in a token.
type issuedClaims struct {
	Issuer string `json:"iss"`
	queueClaims
}

const (
	queueTokenHead = `{"alg":"HS256","typ":"queue+jwt"}`
	// maxQueueToken bounds the length of a token, in bytes. The longest valid one has 355.
	maxQueueToken = 360
)

func (q queueClaims) admitted() bool { return q.AdmittedUntil != 0 }

// admission returns the admission to ask the schedule with.
func (q queueClaims) admission() boxoffice.Admission {
	return boxoffice.Admission{UserID: q.UserID, Sequence: q.Sequence, EndsAt: time.UnixMilli(q.AdmittedUntil).UTC()}
}

// ref returns the reference to ask the waiting room with.
func (q queueClaims) ref() boxoffice.PlaceRef {
	ref := boxoffice.PlaceRef{UserID: q.UserID, Sequence: q.Sequence, JoinedAt: time.UnixMilli(q.JoinedAt).UTC()}
	if q.admitted() {
		ref.EndsAt = q.admission().EndsAt
	}
	return ref
}

// claimsOf returns the claims of a place's token.
func claimsOf(p boxoffice.Place) queueClaims {
	claims := queueClaims{ScheduleID: p.ScheduleID, UserID: p.UserID, Sequence: p.Sequence, JoinedAt: p.JoinedAt.UnixMilli()}
	if p.Status != boxoffice.PlaceWaiting {
		claims.AdmittedUntil = p.AdmissionEndsAt.UnixMilli()
	}
	return claims
}

// signQueue returns the token of a place.
func (k *Keys) signQueue(q queueClaims) string {
	payload := encode(issuedClaims{issuer, q})
	signed := k.queueHead + base64.RawURLEncoding.EncodeToString(payload)
	return signed + "." + k.queueMAC(signed)
}

// queueMAC returns the third part of a token. It is compared in this form, because decoders
// accept more than one spelling.
func (k *Keys) queueMAC(signed string) string {
	mac := hmac.New(sha256.New, k.queueKey)
	mac.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// verifyQueue returns the claims of a token if signQueue made it. Tokens of admitted places
// are remembered, because their holders look at seats again and again; waiting users are
// too many, and ask too rarely.
func (k *Keys) verifyQueue(token string) (queueClaims, bool) {
	if claims, ok := k.admitted.get(token); ok {
		return claims, true
	}
	claims, ok := k.readQueue(token)
	if ok && claims.admitted() {
		k.admitted.add(token, claims)
	}
	return claims, ok
}

func (k *Keys) readQueue(token string) (queueClaims, bool) {
	dot := strings.LastIndexByte(token, '.')
	if len(token) > maxQueueToken || dot < 0 {
		return queueClaims{}, false
	}
	signed, mac := token[:dot], token[dot+1:]
	if subtle.ConstantTimeCompare([]byte(mac), []byte(k.queueMAC(signed))) == 0 {
		return queueClaims{}, false
	}
	// The rest cannot fail for a genuine token, unless it is of another version.
	payload, ok := strings.CutPrefix(signed, k.queueHead)
	if !ok {
		return queueClaims{}, false
	}
	data, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return queueClaims{}, false
	}
	var claims issuedClaims
	err = json.Unmarshal(data, &claims, json.RejectUnknownMembers(true))
	return claims.queueClaims, err == nil && claims.Issuer == issuer
}
