package main

import (
	"slices"
	"strings"
)

// ballastSize is what a node may allocate, at least, between two garbage collections.
const ballastSize = 128 << 20

// newBallast gives memory that is never written to, and so never takes any. The collector
// counts it as live: a node with a small heap collects every ballastSize bytes instead of
// every few, which was a tenth of its work, and one with a large heap as it would anyway.
// Whoever sets GOGC or GOMEMLIMIT wants something else, and gets none.
func newBallast(environ []string) []byte {
	tuned := slices.ContainsFunc(environ, func(variable string) bool {
		return strings.HasPrefix(variable, "GOGC=") || strings.HasPrefix(variable, "GOMEMLIMIT=")
	})
	if tuned {
		return nil
	}
	return make([]byte, ballastSize)
}
