package http

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"boxoffice"
)

// maxKeyLength bounds an idempotency key, in characters.
const maxKeyLength = 255

// readKey reads the idempotency key of a call that has one, and the answer that the
// same request got before. A key that is already another request's is refused.
func (a *api) readKey(r *http.Request, c *call) error {
	if c.route.key == keyIgnored {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make an operation's id: %w", err)
	}
	c.operation.ID = id
	given := r.Header.Values(idempotencyKeyHeader)
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
	stored, found, err := a.answers.StoredAnswer(r.Context(), c.operation.Key)
	if err != nil {
		return err
	}
	if found {
		c.stored = &stored
	}
	return nil
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
		text := pathValue(r, name)
		if id, ok := parseUUID(text); ok {
			text = id.String()
		}
		fmt.Fprintf(&b, "%q\n", text)
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
