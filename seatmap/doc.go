// Package seatmap decides who has which of the 50 seats of one schedule.
//
// [Seats] is a pure state machine: a command and the time go in, events and an answer
// come out ([Seats.Decide]), and events are the only thing that changes state
// ([Seats.Apply]). There is no I/O, no clock and no randomness; ids and the time arrive
// as data.
//
// The journal is authoritative. Whoever drives the machine must make the events of a
// decision durable before telling anyone about it, and must throw the machine away when
// the journal says that a newer epoch owns it. See [boxoffice.Commit].
package seatmap
