// Package waitingroom decides the order of the line in front of one schedule, and who is
// let in.
//
// [Room] is a pure state machine: a command and the time go in, events or a refusal come
// out ([Room.Decide]), and events are the only thing that changes the room ([Room.Apply]).
// There is no I/O, no clock and no randomness; ids and the time arrive as data.
//
// The journal is authoritative. Whoever drives the machine must make the events of a
// decision durable before telling anyone about it, and must throw the machine away when the
// journal says that a newer epoch owns it. See [boxoffice.Commit]. A batch of events that
// the journal refuses is rolled back ([Room.Begin], [Room.Rollback]).
//
// The room does not decide what the schedule's journal says: [Room.Hear] keeps that beside
// the state that the events make. The end of a place that a payment used up has to be in
// the room's own log as well; [Room.Settle] returns the events that are still owed.
package waitingroom
