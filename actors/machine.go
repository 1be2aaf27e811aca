package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
)

// machine is a state machine of the domain as the shell drives it. It takes messages and
// returns data: events, answers, replies, messages to others, the time to wake. It knows
// nothing of actors, and uses the journal only in load; everything but load runs on the
// actor's goroutine.
//
// A batch is pending from decide to the keep or rollback that follows. What read, watch and
// census return is always the state without it.
type machine interface { //nolint:interfacebloat // the shell's other half, not a view of somebody else's type
	// load takes a new epoch and restores the state. It is called before anything else.
	load(ctx context.Context) (boxoffice.Activation, error)
	// activated returns the effects of having restored the state at a version of the
	// journal.
	activated(version int64, now time.Time) effects
	// hear takes in news that are durable elsewhere; false if the message holds none.
	hear(message proto.Message, now time.Time) (effects, bool)
	// read answers a question; false if the message is not a question.
	read(message proto.Message, now time.Time) (proto.Message, bool)
	// watch returns everything that a replica of what the grain shows consists of.
	watch(mark *messages.Mark) (proto.Message, error)
	// decide decides the commands of b in order, and what time has made due unless b is
	// unwritten. What b.refusals says about an operation takes precedence over the state.
	decide(b *batch)
	// keep makes the result of b the state: b is durable, and led from one version of the
	// journal to another.
	keep(b *batch, from, to int64) effects
	// rollback forgets b.
	rollback(b *batch)
	// refused takes in why the journal refused something that time had made due.
	refused(refusal boxoffice.CommitRefusal)
	// snapshot encodes the state, b included.
	snapshot() ([]byte, error)
	// change returns what b, which was kept, changed of what the grain shows; nil if
	// nothing. The shell fills in epoch, version and name.
	change(b *batch) *messages.Change
	// census counts what the metrics show of the state.
	census(now time.Time) Census
	// nextWake returns when time makes something due; zero: never.
	nextWake(now time.Time) time.Time
}

// effects are what a machine wants done besides its decisions.
type effects struct {
	// tell is a message to the schedule's other grain; nil: none. It only saves time: what
	// it says is durable, and the other grain finds it without the message.
	tell proto.Message
	// lookUp, if not nil, runs on a goroutine beside the actor. The message that it returns
	// is handled as a command that nobody waits for.
	lookUp func(ctx context.Context) (proto.Message, error)
	// again is true if there may be more to decide immediately.
	again bool
}

// command is a message that waits for its batch. Sender is nil if nobody waits for an
// answer.
type command struct {
	message proto.Message
	sender  *actor.PID
	since   time.Time
}

// batch is what is decided and committed together.
type batch struct {
	now      time.Time
	commands []command
	reads    []command // answered when the commit has confirmed the epoch
	refusals map[uuid.UUID]boxoffice.CommitRefusal
	// unwritten is true if nothing can be written: what time has made due is left out, and
	// the batch counts only if it has no events and no answers of its own either.
	unwritten bool

	// The machine's decisions, with one reply for each command.
	events  []boxoffice.Event
	answers []boxoffice.Answer
	replies []reply

	snapshot  []byte // nil: none
	last      bool   // it only saves the state of a grain that passivates
	submitted time.Time
	attempts  int
	rounds    int                           // how often the journal has refused the batch
	rows      map[uint64]boxoffice.PlaceRow // what it said of places then
	result    boxoffice.CommitResult
	done      chan struct{} // closed when result is set
}

// reply returns the answer to a command once its batch is durable; nil: there is none.
type reply func(result boxoffice.CommitResult) proto.Message

// refuse returns the reply for a refusal.
func refuse(refusal *boxoffice.Error) reply {
	return func(boxoffice.CommitResult) proto.Message { return refusalMessage(refusal) }
}

// unknownMessage returns the reply to a message that a grain does not know.
func unknownMessage(m proto.Message) reply {
	return refuse(boxoffice.Errorf(boxoffice.CodeInternal, "unexpected message %T", m))
}
