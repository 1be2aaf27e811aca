package http

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// none is the input of a call that takes nothing, and the output of one that answers 204.
type none struct{}

// handle adds a call: a function of its decoded body, or for GET its query, whose result is
// encoded as JSON.
func handle[In, Out any](a *api, op operation, fn func(ctx context.Context, req *request, in In) (Out, error)) {
	op.input = inputOf[In](a, op.method)
	if op.status != http.StatusNoContent {
		op.content = jsonContent(schemaOf[Out](a), op.example)
	}
	a.add(&op, func(w http.ResponseWriter, r *http.Request, req *request) error {
		in, _ := req.in.(In) // zero if the request has no input
		out, err := fn(r.Context(), req, in)
		if err != nil {
			return err
		}
		writeOutput(w, r, req, out)
		return nil
	})
}

// handleRaw adds a call that writes its own answer, of the given content.
func (a *api) handleRaw(op operation, content map[string]*huma.MediaType, answer step) {
	op.content = content
	a.add(&op, answer)
}

func (a *api) add(op *operation, answer step) {
	op.status = cmp.Or(op.status, http.StatusOK)
	a.operations = append(a.operations, op)
	a.router.With(a.middleware(op)...).Method(op.method, op.pattern, a.last(answer))
}

// jsonType is the content type of everything but problems.
const jsonType = "application/json"

// writeOutput answers with what a call's function returned.
func writeOutput(w http.ResponseWriter, r *http.Request, req *request, out any) {
	status := cmp.Or(req.status, req.op.status)
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	body := line(out)
	if req.op.cached { // its status is 200
		writeTagged(w, r, etagOf(body), "public, no-cache", jsonType, body)
		return
	}
	write(w, status, jsonType, body)
}

// encode encodes a type of this package; only a bug can make it fail.
func encode(value any) []byte {
	// Invalid UTF-8 is shown as well as possible.
	body, err := json.Marshal(value, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(fmt.Errorf("encode a %T: %w", value, err))
	}
	return body
}

// line encodes an answer, which ends its line: for people at a terminal.
func line(value any) []byte { return append(encode(value), '\n') }

// write answers with bytes, and sets their length, so that they are not sent in chunks.
func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client is gone
}

// writeTagged answers with bytes that clients may keep under a tag, or 304 if this one has
// them.
func writeTagged(w http.ResponseWriter, r *http.Request, etag, caching, contentType string, body []byte) {
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", caching)
	if matches(r.Header, etag) {
		w.Header().Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, http.StatusOK, contentType, body)
}

// etagOf returns a strong entity tag of body.
func etagOf(body []byte) string {
	hash := sha256.Sum256(body)
	return `"` + hex.EncodeToString(hash[:16]) + `"`
}

// matches reports whether If-None-Match names the entity tag, or is "*". The comparison is
// weak, as RFC 9110 requires for this header.
func matches(header http.Header, etag string) bool {
	for _, field := range header["If-None-Match"] {
		for candidate := range strings.SplitSeq(field, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}
