package system

import "bytes"

// What the proxies understand of PostgreSQL's protocol (version 3), where the fault is one of
// commits: of those that write events, which is what grains commit.

// isCommit reports whether a client of Postgres sends events to be written. The transaction
// ends with the same message, or is an implicit one.
func isCommit(sent []byte) bool {
	for _, kind := range []string{"seat-", "hold-", "sale-", "place-", "places-", "queue-"} { // event types begin so
		if bytes.Contains(sent, []byte(kind)) {
			return true
		}
	}
	return false
}

// isOver reports whether Postgres has done all that it was asked for, and is in no
// transaction any more: its answer ends with ReadyForQuery and the status "idle".
func isOver(answer []byte) bool {
	return bytes.HasSuffix(answer, []byte{'Z', 0, 0, 0, 5, 'I'})
}
