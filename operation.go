package boxoffice

import "github.com/google/uuid"

// Operation identifies one request of one client, however often it is sent.
type Operation struct {
	ID  uuid.UUID
	Key IdempotencyKey // zero if the client sent none
}

// Op returns the operation: every command that embeds one has this method.
func (o Operation) Op() Operation { return o }
