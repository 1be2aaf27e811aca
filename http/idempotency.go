package http

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// maxKeyLength bounds an idempotency key, in characters.
const maxKeyLength = 255

// readKey reads the idempotency key of a call that has one; value is its body.
func readKey(r *http.Request, req *request, value any) error {
	if req.op.key == keyIgnored {
		return nil
	}
	operation, err := newOperation()
	if err != nil {
		return err
	}
	req.operation = operation
	key := r.Header.Get(idempotencyKeyHeader)
	switch {
	case key == "" && req.op.key == keyRequired:
		return boxoffice.Errorf(boxoffice.CodeIdempotencyKeyRequired, "send an Idempotency-Key, so that this can be repeated safely")
	case key == "":
		return nil
	case len(key) > maxKeyLength:
		return boxoffice.Invalid("header."+idempotencyKeyHeader, "must have at most %d characters", maxKeyLength)
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return boxoffice.Invalid("header."+idempotencyKeyHeader, "must be printable ASCII")
	}
	digest, err := digest(r.Context(), value)
	if err != nil {
		return err
	}
	req.operation.Key = boxoffice.IdempotencyKey{
		UserID:    req.caller.UserID,
		Operation: req.op.method + " " + req.op.pattern,
		Key:       key,
		Digest:    digest,
	}
	return nil
}

// newOperation returns an operation without a key.
func newOperation() (boxoffice.Operation, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return boxoffice.Operation{}, fmt.Errorf("make an operation's id: %w", err)
	}
	return boxoffice.Operation{ID: id}, nil
}

// decided returns the answer to an operation: the one that the request got before, or the
// result of do. A refusal is returned as an error.
//
// The commit that would store an answer finds out whether the key already has one. The
// database is asked beforehand only if this node has seen the key before, because a refused
// commit costs more than a look-up. Answers that are not stored, and so have no commit,
// must therefore not contradict an earlier answer: see [api.unlessAnswered].
func (a *api) decided(ctx context.Context, req *request, do func() (boxoffice.Outcome, error)) (boxoffice.Outcome, error) {
	var outcome boxoffice.Outcome
	if req.stored == nil {
		a.recall(ctx, req)
	}
	if req.stored == nil {
		var err error
		outcome, err = do()
		if err == nil && outcome.Refusal != nil && !outcome.Storable() {
			err = outcome.Refusal
		}
		if err != nil {
			if err = a.unlessAnswered(ctx, req, err); err != nil {
				return outcome, err
			}
		}
	}
	if req.stored != nil {
		outcome = *req.stored
		outcome.Replayed = true
	}
	if outcome.Replayed {
		req.header.Set(idempotencyReplayedHeader, "true")
	}
	if outcome.Refusal != nil {
		return outcome, outcome.Refusal
	}
	return outcome, nil
}

// maxSeenKeys bounds the keys that a node remembers having seen.
const maxSeenKeys = 50_000

// settledAfter is how old an answer must be to be told as the database has it: a commit may be
// there before its grain has heard so, and this node would show seats from before what it told.
// By then every grain knows what became of its commits.
const settledAfter = 5 * time.Second

// recall looks for the answer to a request whose key, or one with the same hash, this node
// has seen before. The commit finds whatever recall does not.
func (a *api) recall(ctx context.Context, req *request) {
	if req.operation.Key.IsZero() {
		return
	}
	scope := req.operation.Key
	scope.Digest = [sha256.Size]byte{}
	if seen := a.seenKeys.add(maphash.Comparable(a.keySeed, scope), struct{}{}); !seen {
		return
	}
	stored, found, err := a.Answers.StoredAnswer(ctx, req.operation.Key)
	if err == nil && found && req.now.Sub(stored.At) >= settledAfter {
		req.stored = &stored
	}
}

// unlessAnswered returns the refusal of a request, unless that very request got an answer
// before: then it sets req.stored and returns nil. If the key belongs to another request,
// it returns that error instead of the refusal, except if the guard refuses, which comes
// before keys.
//
// A retryable refusal is not looked up: the next attempt will find the answer.
func (a *api) unlessAnswered(ctx context.Context, req *request, refusal error) error {
	code := boxoffice.CodeOf(refusal)
	if req.operation.Key.IsZero() || code == boxoffice.CodeUnavailable || code == boxoffice.CodeInternal {
		return refusal
	}
	stored, found, err := a.Answers.StoredAnswer(ctx, req.operation.Key)
	switch {
	case boxoffice.CodeOf(err) == boxoffice.CodeIdempotencyKeyReused && guards(code):
		return refusal
	case err != nil:
		return err
	case !found:
		return refusal
	}
	req.stored = &stored
	return nil
}

// guards reports whether a refusal is one of the guard's.
func guards(code boxoffice.Code) bool {
	switch code {
	case boxoffice.CodeQueueTokenRequired, boxoffice.CodeQueueTokenInvalid, boxoffice.CodeNotAdmitted, boxoffice.CodeQueueTokenExpired:
		return true
	default:
		return false
	}
}

// digest returns what identifies a request within its route: the ids of the path and the
// value of the body, however they are spelt. Stored answers are compared by it, those of
// earlier releases too, so its form must not change.
func digest(ctx context.Context, value any) ([sha256.Size]byte, error) {
	hash := sha256.New()
	for _, name := range []string{concertParam, scheduleParam, userParam, reservationParam, paymentParam} {
		text := pathValue(ctx, name)
		if id, ok := parseUUID(text); ok {
			text = id.String()
		}
		fmt.Fprintf(hash, "%q\n", text)
	}
	if value == nil {
		value = map[string]any{} // a call without members may be sent with or without a body
	}
	// Package json sorts the members of maps, and numbers that are equal have one form
	// unless they are wrong values anyway: see [exactNumber].
	if err := json.NewEncoder(hash).Encode(value); err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encode a decoded body: %w", err)
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}
