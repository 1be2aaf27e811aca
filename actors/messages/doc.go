// Package messages holds the protobuf messages between grains and their callers,
// generated from messages.proto (`make generate`). It has no code of its own.
package messages
