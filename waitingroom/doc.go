// Package waitingroom decides who stands where in the line in front of one schedule, and
// who is let in.
//
// [Room] is a pure state machine: a command and the time go in, events or a refusal come
// out ([Room.Decide]), and events are the only thing that changes the room ([Room.Apply]).
// There is no I/O, no clock and no randomness; ids and the time arrive as data.
//
// The journal is authoritative. Whoever drives the machine must make the events of a
// decision durable before telling anyone about it, and must throw the machine away when
// the journal says that a newer epoch owns it. See [boxoffice.Commit]. A batch of events
// that the journal would not take is taken back ([Room.Begin], [Room.Rollback]).
//
// What the schedule's journal says is not the room's to decide: [Room.Hear] remembers it
// beside the state that the events make. Of a place that a payment used up the room's own
// log has to tell the end as well; [Room.Settle] gives the events that are still owed.
package waitingroom
