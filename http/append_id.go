package http

import (
	"encoding/hex"

	"github.com/google/uuid"
)

// appendID appends an id in the form of RFC 9562, without quotes.
func appendID(b []byte, id uuid.UUID) []byte {
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return b
}
