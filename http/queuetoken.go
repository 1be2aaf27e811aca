package http

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// A queue token is a JWT with one header and one order of claims, so that the same
// place has the same token, byte for byte, on every node, and that a check needs no
// parser that could be talked into another algorithm or type:
//
//	{"alg":"HS256","typ":"queue+jwt"} . {"iss","sub","schedule","sequence"[,"admittedUntil"]} . MAC
//
// It has no "exp": whether a place has ended is for its waiting room and its schedule to
// say (a live hold lengthens an admission).
type queueClaims struct {
	ScheduleID int64
	UserID     uuid.UUID
	Sequence   uint64
	// AdmittedUntil is the end of the admission, without holds, in Unix milliseconds; 0
	// while waiting.
	AdmittedUntil int64
}

const (
	queueTokenHead = `{"alg":"HS256","typ":"queue+jwt"}`
	// maxQueueToken bounds what is looked at. The longest token has 313 bytes.
	maxQueueToken = 320
)

func (q queueClaims) admitted() bool { return q.AdmittedUntil != 0 }

// admission is what the schedule is asked with.
func (q queueClaims) admission() *boxoffice.Admission {
	return &boxoffice.Admission{UserID: q.UserID, Sequence: q.Sequence, EndsAt: time.UnixMilli(q.AdmittedUntil).UTC()}
}

// ref is what the waiting room is asked with.
func (q queueClaims) ref() boxoffice.PlaceRef {
	return boxoffice.PlaceRef{UserID: q.UserID, Sequence: q.Sequence}
}

// claimsOf is what the token of a place says.
func claimsOf(p boxoffice.Place) queueClaims {
	claims := queueClaims{ScheduleID: p.ScheduleID, UserID: p.UserID, Sequence: p.Sequence}
	if p.Status != boxoffice.PlaceWaiting {
		claims.AdmittedUntil = p.AdmissionEndsAt.UnixMilli()
	}
	return claims
}

func (q queueClaims) appendJSON(b []byte) []byte {
	b = append(b, `{"iss":"`+issuer+`","sub":"`...)
	b = append(b, q.UserID.String()...)
	b = append(b, `","schedule":`...)
	b = strconv.AppendInt(b, q.ScheduleID, 10)
	b = append(b, `,"sequence":`...)
	b = strconv.AppendUint(b, q.Sequence, 10)
	if q.admitted() {
		b = append(b, `,"admittedUntil":`...)
		b = strconv.AppendInt(b, q.AdmittedUntil, 10)
	}
	return append(b, '}')
}

// signQueue makes the token of a place.
func (k *Keys) signQueue(q queueClaims) string {
	token := make([]byte, 0, maxQueueToken)
	token = base64.RawURLEncoding.AppendEncode(token, []byte(queueTokenHead))
	token = append(token, '.')
	token = base64.RawURLEncoding.AppendEncode(token, q.appendJSON(make([]byte, 0, maxQueueToken)))
	mac := k.queueMAC(token)
	token = append(token, '.')
	return string(append(token, mac...))
}

// verifyQueue reads a token that signQueue made, and nothing else.
func (k *Keys) verifyQueue(token string) (queueClaims, bool) {
	dot := strings.LastIndexByte(token, '.')
	if len(token) > maxQueueToken || dot < 0 {
		return queueClaims{}, false
	}
	if !hmac.Equal([]byte(token[dot+1:]), k.queueMAC([]byte(token[:dot]))) {
		return queueClaims{}, false
	}
	// What follows cannot fail for a token of ours, unless it is of another version.
	head, payload, _ := strings.Cut(token[:dot], ".")
	if head != base64.RawURLEncoding.EncodeToString([]byte(queueTokenHead)) {
		return queueClaims{}, false
	}
	data, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return queueClaims{}, false
	}
	return parseQueueClaims(data)
}

// queueMAC gives the third part of a token. It is compared in this form, because
// decoders take more than one spelling.
func (k *Keys) queueMAC(signed []byte) []byte {
	mac := hmac.New(sha256.New, k.queueKey)
	mac.Write(signed)
	return base64.RawURLEncoding.AppendEncode(nil, mac.Sum(nil))
}

// parseQueueClaims reads what appendJSON wrote: any other spelling is refused.
func parseQueueClaims(data []byte) (queueClaims, bool) {
	var q queueClaims
	rest, ok := bytes.CutPrefix(data, []byte(`{"iss":"`+issuer+`","sub":"`))
	user, rest, found := bytes.Cut(rest, []byte(`","schedule":`))
	schedule, rest, found2 := bytes.Cut(rest, []byte(`,"sequence":`))
	rest, closed := bytes.CutSuffix(rest, []byte("}"))
	if !ok || !found || !found2 || !closed {
		return q, false
	}
	sequence, until, admitted := bytes.Cut(rest, []byte(`,"admittedUntil":`))
	if q.UserID, ok = parseUUID(string(user)); !ok {
		return q, false
	}
	// A number that cannot be parsed is not written in the same way again either.
	q.ScheduleID, _ = strconv.ParseInt(string(schedule), 10, 64)
	q.Sequence, _ = strconv.ParseUint(string(sequence), 10, 64)
	if admitted {
		q.AdmittedUntil, _ = strconv.ParseInt(string(until), 10, 64)
	}
	return q, bytes.Equal(data, q.appendJSON(make([]byte, 0, maxQueueToken)))
}
