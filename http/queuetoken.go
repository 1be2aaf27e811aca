package http

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
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
//	{"alg":"HS256","typ":"queue+jwt"} . {"iss","sub","schedule","sequence","joinedAt"[,"admittedUntil"]} . MAC
//
// It has no "exp": whether a place has ended is for its waiting room and its schedule to
// say (a live hold lengthens an admission). What it says of its place is all that the
// answer to a poll needs beside the line itself.
type queueClaims struct {
	ScheduleID int64
	UserID     uuid.UUID
	Sequence   uint64
	JoinedAt   int64 // Unix milliseconds
	// AdmittedUntil is the end of the admission, without holds, in Unix milliseconds; 0
	// while waiting.
	AdmittedUntil int64
}

const (
	queueTokenHead = `{"alg":"HS256","typ":"queue+jwt"}`
	// maxQueueToken bounds what is looked at. The longest token has 355 bytes.
	maxQueueToken = 360
	macLength     = 43 // of SHA-256 in base64url
)

func (q queueClaims) admitted() bool { return q.AdmittedUntil != 0 }

// admission is what the schedule is asked with.
func (q queueClaims) admission() boxoffice.Admission {
	return boxoffice.Admission{UserID: q.UserID, Sequence: q.Sequence, EndsAt: time.UnixMilli(q.AdmittedUntil).UTC()}
}

// ref is what the waiting room is asked with.
func (q queueClaims) ref() boxoffice.PlaceRef {
	return boxoffice.PlaceRef{UserID: q.UserID, Sequence: q.Sequence, JoinedAt: time.UnixMilli(q.JoinedAt).UTC()}
}

// claimsOf is what the token of a place says.
func claimsOf(p boxoffice.Place) queueClaims {
	claims := queueClaims{ScheduleID: p.ScheduleID, UserID: p.UserID, Sequence: p.Sequence, JoinedAt: p.JoinedAt.UnixMilli()}
	if p.Status != boxoffice.PlaceWaiting {
		claims.AdmittedUntil = p.AdmissionEndsAt.UnixMilli()
	}
	return claims
}

func (q queueClaims) appendJSON(b []byte) []byte {
	b = append(b, `{"iss":"`+issuer+`","sub":"`...)
	b = appendID(b, q.UserID)
	b = append(b, `","schedule":`...)
	b = strconv.AppendInt(b, q.ScheduleID, 10)
	b = append(b, `,"sequence":`...)
	b = strconv.AppendUint(b, q.Sequence, 10)
	b = append(b, `,"joinedAt":`...)
	b = strconv.AppendInt(b, q.JoinedAt, 10)
	if q.admitted() {
		b = append(b, `,"admittedUntil":`...)
		b = strconv.AppendInt(b, q.AdmittedUntil, 10)
	}
	return append(b, '}')
}

// queueMAC is what a token is signed or checked with: the keyed hash, which is dear to
// make, and room to work in. It is used by one goroutine at a time.
type queueMAC struct {
	hash hash.Hash
	work [3 * maxQueueToken]byte
}

func newQueueMAC(key []byte) *queueMAC { return &queueMAC{hash: hmac.New(sha256.New, key)} }

// append appends the third part of a token. It is compared in this form, because
// decoders take more than one spelling.
func (m *queueMAC) append(b, signed []byte) []byte {
	m.hash.Reset()
	m.hash.Write(signed)
	sum := m.hash.Sum(m.work[len(m.work)-sha256.Size : len(m.work)-sha256.Size])
	return base64.RawURLEncoding.AppendEncode(b, sum)
}

// signQueue makes the token of a place.
func (k *Keys) signQueue(q queueClaims) string {
	mac := k.macs.Get().(*queueMAC)
	defer k.macs.Put(mac)
	token := append(mac.work[maxQueueToken:maxQueueToken], k.queueHead...)
	token = base64.RawURLEncoding.AppendEncode(token, q.appendJSON(mac.work[:0]))
	return string(mac.append(append(token, '.'), token))
}

// verifyQueue reads a token that signQueue made, and nothing else. Tokens of admitted
// places are remembered: their holders look at seats again and again. Those who wait are
// too many, and ask too seldom.
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
	if len(token) > maxQueueToken || dot < 0 || len(token)-dot-1 != macLength {
		return queueClaims{}, false
	}
	mac := k.macs.Get().(*queueMAC)
	defer k.macs.Put(mac)
	given := append(mac.work[:0], token...)
	expected := mac.append(given[len(given):], given[:dot])
	if subtle.ConstantTimeCompare(given[dot+1:], expected) == 0 {
		return queueClaims{}, false
	}
	// What follows cannot fail for a token of ours, unless it is of another version.
	payload, ok := bytes.CutPrefix(given[:dot], k.queueHead)
	if !ok {
		return queueClaims{}, false
	}
	data, err := base64.RawURLEncoding.AppendDecode(given[len(given):], payload)
	if err != nil {
		return queueClaims{}, false
	}
	return parseQueueClaims(data)
}

// parseQueueClaims reads what appendJSON wrote: any other spelling is refused.
func parseQueueClaims(data []byte) (queueClaims, bool) {
	var q queueClaims
	rest, ok := bytes.CutPrefix(data, []byte(`{"iss":"`+issuer+`","sub":"`))
	user, rest, found := bytes.Cut(rest, []byte(`","schedule":`))
	schedule, rest, found2 := bytes.Cut(rest, []byte(`,"sequence":`))
	sequence, rest, found3 := bytes.Cut(rest, []byte(`,"joinedAt":`))
	rest, closed := bytes.CutSuffix(rest, []byte("}"))
	if !ok || !found || !found2 || !found3 || !closed {
		return q, false
	}
	joined, until, admitted := bytes.Cut(rest, []byte(`,"admittedUntil":`))
	var err error
	if q.UserID, err = uuid.ParseBytes(user); err != nil {
		return q, false
	}
	// A number that cannot be parsed is not written in the same way again either.
	q.ScheduleID, _ = strconv.ParseInt(string(schedule), 10, 64)
	q.Sequence, _ = strconv.ParseUint(string(sequence), 10, 64)
	q.JoinedAt, _ = strconv.ParseInt(string(joined), 10, 64)
	if admitted {
		q.AdmittedUntil, _ = strconv.ParseInt(string(until), 10, 64)
	}
	return q, bytes.Equal(data, q.appendJSON(make([]byte, 0, maxQueueToken)))
}
