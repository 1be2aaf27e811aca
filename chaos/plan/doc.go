// Package plan draws what goes wrong in a chaos run, and when, from a seed: the same
// seed, faults, length and number of nodes give the same plan. It only says what is to
// be done; package system does it.
//
// Faults come one after the other with time to recover in between, so that an outage can
// be told from the fault that caused it. Every fault that was asked for comes once
// before any comes twice, as far as the time reaches.
package plan
