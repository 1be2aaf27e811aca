package check

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
)

// The model of a claim: what one seat, and likewise one buyer of one schedule, can
// have. A hold that is over may have expired at any moment from its expiry on; which
// commands found it so is told by their answers. So a step asks whether its answer could
// be given at some time between its call and its return, give or take epsilon.

// phase is what is claimed.
type phase string

const (
	free phase = "free"
	held phase = "held"
	sold phase = "sold"
)

// claim is a state of the model.
type claim struct {
	phase       phase
	reservation uuid.UUID
	expires     time.Duration // of a hold
}

// demand is what a step says of the claim that it met.
type demand string

const (
	createHold  demand = "hold"           // there was none; now this reservation has it
	sameHold    demand = "same hold"      // this reservation has it
	meetsLive   demand = "taken"          // some reservation has it
	meetsNone   demand = "free"           // none has it
	release     demand = "release"        // not sold to this reservation; given up if held by it
	leave       demand = "leave"          // given up if held by this reservation
	pay         demand = "pay"            // held by this reservation; now sold to it
	meetsHeld   demand = "held by it"     // held by this reservation
	meetsSold   demand = "sold to it"     // sold to this reservation
	meetsGone   demand = "not live"       // neither held by nor sold to this reservation
	meetsUnsold demand = "not sold to it" // not sold to this reservation
	cancel      demand = "cancel"         // sold to this reservation; now free
)

// step is one operation on one claim.
type step struct {
	demand      demand
	reservation uuid.UUID
	expires     time.Duration // createHold
	call        time.Duration
	end         time.Duration // Never: the client was not told
	effect      *Effect
}

// claimModel is the model, for porcupine.
func claimModel(epsilon time.Duration) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return claim{phase: free} },
		Step: func(state, input, _ any) (bool, any) {
			next, ok := take(state.(claim), input.(step), epsilon)
			return ok, next
		},
		DescribeOperation: func(input, _ any) string { return describeStep(input.(step)) },
		DescribeState: func(state any) string {
			c := state.(claim)
			if c.phase == free {
				return string(free)
			}
			return fmt.Sprintf("%s %s until %s", c.phase, short(c.reservation), c.expires)
		},
	}
}

// take makes one step, if it can be made.
func take(c claim, s step, epsilon time.Duration) (claim, bool) {
	mayLive := c.phase == sold || c.phase == held && s.call < c.expires+epsilon
	mayBeOver := c.phase == held && s.end >= c.expires-epsilon
	mayBeFree := c.phase == free || mayBeOver
	mine := c.phase != free && c.reservation == s.reservation
	switch s.demand {
	case createHold:
		return claim{held, s.reservation, s.expires}, mayBeFree
	case sameHold, meetsHeld:
		return c, mine && c.phase == held && mayLive
	case meetsLive:
		return c, mayLive
	case meetsNone:
		return claim{phase: free}, mayBeFree
	case release:
		if mine && c.phase == held {
			return claim{phase: free}, true
		}
		return c, !mine
	case leave:
		if mine && c.phase == held {
			return claim{phase: free}, true
		}
		return c, true
	case pay:
		return claim{sold, s.reservation, 0}, mine && c.phase == held && mayLive
	case meetsSold:
		return c, mine && c.phase == sold
	case meetsGone:
		if mine && c.phase == held {
			return claim{phase: free}, mayBeOver
		}
		return c, !mine
	case meetsUnsold:
		return c, !(mine && c.phase == sold)
	case cancel:
		return claim{phase: free}, mine && c.phase == sold
	default:
		panic(fmt.Sprintf("chaos: no demand %q", s.demand))
	}
}

func describeStep(s step) string {
	text := string(s.demand)
	if s.reservation != uuid.Nil {
		text += " " + short(s.reservation)
	}
	if s.effect == nil {
		return text
	}
	answer := "ok"
	switch {
	case !s.effect.told():
		answer = "unknown, in the log"
	case !s.effect.OK:
		answer = s.effect.Code
	}
	return fmt.Sprintf("%s by %s: %s (%s) #%v", s.effect.Kind, short(s.effect.Request.UserID), text, answer, s.effect.Operations)
}

// short is enough of an id to find it in the operations.
func short(id uuid.UUID) string { return id.String()[24:] }
