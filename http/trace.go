package http

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// maxRequestID bounds an id sent by a client.
const maxRequestID = 128

// requestID returns the client's id if it is fit for logs, otherwise a new one.
func requestID(header http.Header) string {
	given := header.Get(requestIDHeader)
	if given != "" && len(given) <= maxRequestID && !strings.ContainsFunc(given, unfitForID) {
		return given
	}
	return randomID()
}

// randomID returns a UUIDv4 that may be guessable.
func randomID() string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

func unfitForID(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	default:
		return !strings.ContainsRune("-_.:/+=@", r)
	}
}

// trace is the W3C trace context of a request, if it has one.
type trace struct {
	traceID string // 32 lower-case hexadecimal digits, not all 0
	flags   string // 2 of them
}

func (t trace) valid() bool { return t.traceID != "" }

// child returns the trace context of this node's own span.
func (t trace) child(span uint64) string {
	return fmt.Sprintf("00-%s-%016x-%s", t.traceID, max(1, span), t.flags)
}

// parseTrace parses a traceparent header. An invalid one is ignored: tracing must not break
// a request.
func parseTrace(header http.Header) trace {
	values := header["Traceparent"]
	if len(values) != 1 {
		return trace{}
	}
	parts := strings.Split(values[0], "-")
	if len(parts) < 4 || (parts[0] == "00" && len(parts) != 4) || parts[0] == "ff" {
		return trace{}
	}
	for i, length := range []int{2, 32, 16, 2} {
		if len(parts[i]) != length || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return trace{}
		}
	}
	if strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return trace{}
	}
	return trace{traceID: parts[1], flags: parts[3]}
}
