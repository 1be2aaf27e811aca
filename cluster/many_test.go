//go:build !race

package cluster

// manyCalls are under way at once: more than servers of gRPC are often made to allow.
const manyCalls = 9000
