// Package failpoint marks the places where the chaos harness can end or stop a process:
// moments that no signal from outside would hit.
//
// In a build without the tag failpoint, which is every release, [Hit] is empty and [Now]
// is the clock, and the compiler removes both. In one with the tag, a place does what
// the file of its name in the directory of the variable CHAOS_FAILPOINTS says, once, and
// nothing if there is no such file. So there is no state, and nothing to switch on by
// accident.
package failpoint

// Point is one place in the program.
type Point string

// The places.
const (
	BeforeAppend  Point = "before-append"  // a group of commits is about to be sent
	CommitSent    Point = "commit-sent"    // it was sent, nothing has come back
	InTransaction Point = "in-transaction" // rows are locked, nothing is decided
	BeforeReply   Point = "before-reply"   // it is durable, nobody knows
	BeforePublish Point = "before-publish" // callers may know, other nodes do not
	Activation    Point = "activation"     // a new epoch is taken, the state is not loaded
)

// Action is what happens at a place.
type Action string

// The actions.
const (
	Kill  Action = "kill"  // as kill -9
	Pause Action = "pause" // as kill -STOP
)

// Armed is a place and what happens there.
type Armed struct {
	Point  Point
	Action Action
}
