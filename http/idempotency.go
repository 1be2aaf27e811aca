package http

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"boxoffice"
)

// maxKeyLength bounds an idempotency key, in characters.
const maxKeyLength = 255

// readKey reads the idempotency key of a call that has one.
func readKey(r *http.Request, c *call) error {
	if c.route.key == keyIgnored {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make an operation's id: %w", err)
	}
	c.operation.ID = id
	given := r.Header[idempotencyKeyHeader]
	if len(given) == 0 || (len(given) == 1 && given[0] == "") {
		if c.route.key == keyRequired {
			return boxoffice.Errorf(boxoffice.CodeIdempotencyKeyRequired, "send an Idempotency-Key, so that this can be repeated safely")
		}
		return nil
	}
	if problem := keyProblem(given); problem != "" {
		return boxoffice.Invalid("header."+idempotencyKeyHeader, "%s", problem)
	}
	digest, err := c.digest(r)
	if err != nil {
		return err
	}
	c.operation.Key = boxoffice.IdempotencyKey{
		UserID:    c.caller.UserID,
		Operation: c.route.method + " " + c.route.pattern,
		Key:       given[0],
		Digest:    digest,
	}
	return nil
}

// decided gives the answer to an operation: the one that the request got before, or what
// do makes of it. A refusal comes as an error.
//
// Whether a key has an answer is for the commit to find out that would store one; nothing
// is asked of the database before, unless this node has had the key before: a commit that
// is refused costs more than a look. So the answers that are not stored, which no commit
// stands behind, must be the ones that nobody got another for: see [api.unlessAnswered].
func (a *api) decided(c *call, do func() (boxoffice.Outcome, error)) (boxoffice.Outcome, error) {
	var outcome boxoffice.Outcome
	if c.stored == nil {
		a.recall(c)
	}
	if c.stored == nil {
		var err error
		outcome, err = do()
		if err == nil && outcome.Refusal != nil && !outcome.Storable() {
			err = outcome.Refusal
		}
		if err != nil {
			if err = a.unlessAnswered(c, err); err != nil {
				return outcome, err
			}
		}
	}
	if c.stored != nil {
		outcome = *c.stored
		outcome.Replayed = true
	}
	if outcome.Replayed {
		c.set(idempotencyReplayedHeader, "true")
	}
	if outcome.Refusal != nil {
		return outcome, outcome.Refusal
	}
	return outcome, nil
}

// maxSeenKeys bounds the keys that a node remembers to have had.
const maxSeenKeys = 50_000

// recall looks for the answer of a request whose key this node has had before, or one with
// the same hash. Whatever it does not find, the commit will.
func (a *api) recall(c *call) {
	if c.operation.Key.IsZero() {
		return
	}
	scope := c.operation.Key
	scope.Digest = [sha256.Size]byte{}
	if seen := a.seenKeys.add(maphash.Comparable(a.keySeed, scope), struct{}{}); !seen {
		return
	}
	if stored, found, err := a.answers.StoredAnswer(&c.ctx, c.operation.Key); err == nil && found {
		c.stored = &stored
	}
}

// unlessAnswered gives the refusal of a request, unless that very request got an answer
// before: then it fills c.stored and gives nil. A key that is another request's is told
// in the refusal's place, except where the guard refuses, which comes before keys.
//
// What may be sent again is not looked up: it will be answered then.
func (a *api) unlessAnswered(c *call, refusal error) error {
	code := boxoffice.CodeOf(refusal)
	if c.operation.Key.IsZero() || code == boxoffice.CodeUnavailable || code == boxoffice.CodeInternal {
		return refusal
	}
	stored, found, err := a.answers.StoredAnswer(&c.ctx, c.operation.Key)
	switch {
	case boxoffice.CodeOf(err) == boxoffice.CodeIdempotencyKeyReused && guards(code):
		return refusal
	case err != nil:
		return err
	case !found:
		return refusal
	}
	c.stored = &stored
	return nil
}

// guards tells the refusals of the guard.
func guards(code boxoffice.Code) bool {
	switch code {
	case boxoffice.CodeQueueTokenRequired, boxoffice.CodeQueueTokenInvalid, boxoffice.CodeNotAdmitted, boxoffice.CodeQueueTokenExpired:
		return true
	default:
		return false
	}
}

func keyProblem(given []string) string {
	if len(given) > 1 {
		return "must be given once"
	}
	if len(given[0]) > maxKeyLength {
		return fmt.Sprintf("must have at most %d characters", maxKeyLength)
	}
	if strings.ContainsFunc(given[0], func(r rune) bool { return r < ' ' || r > '~' }) {
		return "must be printable ASCII"
	}
	return ""
}

// digest is what makes two requests of one route the same: the ids of the path and the
// value of the body, however they are spelt.
func (c *call) digest(r *http.Request) ([sha256.Size]byte, error) {
	var b bytes.Buffer
	for _, name := range []string{concertParam, scheduleParam, userParam, reservationParam, paymentParam} {
		text := c.param(r, name)
		if id, ok := parseUUID(text); ok {
			text = id.String()
		}
		b.Write(strconv.AppendQuote(b.AvailableBuffer(), text))
		b.WriteByte('\n')
	}
	if c.quick { // spelt as below already
		b.Write(c.raw)
		b.WriteByte('\n')
		return sha256.Sum256(b.Bytes()), nil
	}
	body := c.body
	if body == nil {
		body = map[string]any{} // a call that has no members may be sent with or without a body
	}
	// Package json sorts the members of maps, and numbers that are equal have one form
	// unless they are wrong values anyway.
	if err := json.NewEncoder(&b).Encode(body); err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encode a decoded body: %w", err)
	}
	return sha256.Sum256(b.Bytes()), nil
}
