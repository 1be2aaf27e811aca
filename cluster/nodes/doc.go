// Package nodes holds the gRPC service between nodes, generated from nodes.proto
// (`make generate`). It has no code of its own.
package nodes
