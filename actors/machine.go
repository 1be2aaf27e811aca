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
// returns data: events, answers, replies, what to tell others, when to wake. It knows no
// actor, and the journal only by load; everything but load runs on the actor's goroutine.
//
// From decide to the keep or the rollback that follows, a batch is pending. What read,
// watch and census show is always the state without it.
type machine interface { //nolint:interfacebloat // the shell's other half, not a view of somebody else's type
	// load takes a new epoch and restores the state. It comes before anything else.
	load(ctx context.Context) (boxoffice.Activation, error)
	// activated returns what others are to be told of the whole state, which is that of a
	// version of the journal.
	activated(version int64, now time.Time) effects
	// hear takes in news that are durable elsewhere; false if the message is none.
	hear(message proto.Message, now time.Time) (effects, bool)
	// read answers a question; false if the message is none.
	read(message proto.Message, now time.Time) (proto.Message, bool)
	// watch returns all that a replica of what the grain shows consists of.
	watch(mark *messages.Mark) (proto.Message, error)
	// decide decides the commands of b in order, and what time has made due. What
	// b.refusals says about an operation overrules the state.
	decide(b *batch)
	// keep makes b the state: it is durable, and led from one version of the journal to
	// another.
	keep(b *batch, from, to int64) effects
	// rollback forgets b.
	rollback(b *batch)
	// refused takes in why the journal would not take what time had made due.
	refused(refusal boxoffice.CommitRefusal)
	// snapshot encodes the state, b included.
	snapshot() ([]byte, error)
	// change returns what b, which was kept, changed of what the grain shows; nil if
	// nothing. Epoch, version and name are for the shell to fill in.
	change(b *batch) *messages.Change
	// census counts what the metrics show of the state.
	census(now time.Time) Census
	// nextWake is when time makes something due; zero: never.
	nextWake(now time.Time) time.Time
}

// effects are what a machine wants done beside its decisions.
type effects struct {
	// tell is a message to the schedule's other grain; nil: none. It only hurries: what it
	// says is durable, and found out without it.
	tell proto.Message
	// lookUp, if not nil, runs beside the actor. The message that it returns comes back as a
	// command that nobody waits for.
	lookUp func(ctx context.Context) (proto.Message, error)
	// again: there may be more to decide at once.
	again bool
}

// command is a message that waits for its batch. Sender is nil if nobody waits.
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

	// What the machine makes of the commands. The replies are theirs, one for each.
	events  []boxoffice.Event
	answers []boxoffice.Answer
	replies []reply

	snapshot  []byte // nil: it carries none
	last      bool   // it only saves the state of a grain that passivates
	submitted time.Time
	attempts  int
	rounds    int // how often the journal has refused it
	result    boxoffice.CommitResult
	done      chan struct{} // closed when result is set
}

// reply makes the answer to a command once its batch is durable; nil: it has none.
type reply func(result boxoffice.CommitResult) proto.Message

// refuse is the reply of a refusal.
func refuse(refusal *boxoffice.Error) reply {
	return func(boxoffice.CommitResult) proto.Message { return refusalMessage(refusal) }
}

// unknownMessage is the reply to a message that a grain does not know.
func unknownMessage(m proto.Message) reply {
	return refuse(boxoffice.Errorf(boxoffice.CodeInternal, "unexpected message %T", m))
}
