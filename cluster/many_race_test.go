//go:build race

package cluster

// manyCalls are under way at once; the race detector knows few goroutines, and each takes three.
const manyCalls = 1000
