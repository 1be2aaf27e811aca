package workload

import (
	"math/rand/v2"
	"time"
)

// stream keeps the scripts' random numbers apart from the plan's; the client's number
// is added.
const stream = 0x776f726b << 16 // "work"

// Ending is what a visitor does with a seat that is held.
type Ending string

// The endings.
const (
	PayNow         Ending = "pay"
	PayAtExpiry    Ending = "pay at expiry"
	PayTwice       Ending = "pay twice with one key"
	PayTwoKeys     Ending = "pay twice with two keys"
	GiveUp         Ending = "release"
	GiveUpAndPay   Ending = "release while paying"
	LeaveNow       Ending = "leave"
	LeaveAndPay    Ending = "leave while paying"
	LetExpire      Ending = "let it expire"
	HoldAgain      Ending = "hold again at expiry"
	ReleaseTwice   Ending = "release twice"
	PayAnswerLost  Ending = "pay and close the connection"
	HoldAnswerLost Ending = "hold again and close the connection"
)

// Aftermath is what a visitor does with a seat that is paid.
type Aftermath string

// The aftermaths.
const (
	Keep          Aftermath = "keep"
	Return        Aftermath = "cancel"
	ReturnTwice   Aftermath = "cancel twice with one key"
	ReturnTwoKeys Aftermath = "cancel twice with two keys"
	ReuseKey      Aftermath = "use a key again for something else"
)

// Visit is one visit of one user to one schedule: what they want.
type Visit struct {
	Schedule  int // which of the schedules
	User      int // which of the client's users
	Seat      int // to hold; 0: the last of those that are free
	Keyed     bool
	Rejoin    bool // joins again though it has a place
	Impatient bool // leaves the line when it takes too long
	Ending    Ending
	Edge      time.Duration // from the expiry, for endings that aim at it
	Abort     time.Duration // how long after sending, for those that close the connection
	Aftermath Aftermath
	Charge    int64 // points to charge first; 0: none
	Twice     bool  // charge twice with one key
	Look      bool  // at everything, afterwards
	Think     time.Duration
}

// Script is what one client wants, one visit after the other.
type Script struct {
	random    *rand.Rand
	schedules int
	users     int
}

// hotSeats is how many seats of a schedule everybody wants.
const hotSeats = 8

// NewScript returns the script of a client.
func NewScript(seed uint64, client, schedules, users int) *Script {
	return &Script{
		random: rand.New(rand.NewPCG(seed, stream+uint64(client))), schedules: schedules, users: users,
	}
}

// Next draws the next visit. It takes the same numbers each time, whatever they say.
func (s *Script) Next() Visit {
	return Visit{
		Schedule:  s.random.IntN(s.schedules),
		User:      s.random.IntN(s.users),
		Seat:      s.random.IntN(hotSeats + 1),
		Keyed:     s.chance(70),
		Rejoin:    s.chance(10),
		Impatient: s.chance(30),
		Ending: pick(s.random, []weighted[Ending]{
			{PayNow, 25},
			{PayAtExpiry, 16},
			{PayTwice, 12},
			{PayTwoKeys, 8},
			{GiveUp, 6},
			{GiveUpAndPay, 6},
			{LeaveNow, 4},
			{LeaveAndPay, 5},
			{LetExpire, 4},
			{HoldAgain, 6},
			{ReleaseTwice, 2},
			{PayAnswerLost, 4},
			{HoldAnswerLost, 2},
		}),
		Edge:  s.edge(),
		Abort: time.Duration(s.random.Int64N(int64(12 * time.Millisecond))),
		Aftermath: pick(s.random, []weighted[Aftermath]{
			{Keep, 15}, {Return, 50}, {ReturnTwice, 15}, {ReturnTwoKeys, 12}, {ReuseKey, 8},
		}),
		Charge: s.charge(),
		Twice:  s.chance(30),
		Look:   s.chance(25),
		Think:  5*time.Millisecond + time.Duration(s.random.Int64N(int64(40*time.Millisecond))),
	}
}

func (s *Script) chance(percent int) bool { return s.random.IntN(100) < percent }

// edge draws how far from an expiry to aim: mostly so close that it may go either way.
func (s *Script) edge() time.Duration {
	near := time.Duration(s.random.Int64N(int64(60*time.Millisecond))) - 30*time.Millisecond
	far := time.Duration(s.random.Int64N(int64(600*time.Millisecond))) - 300*time.Millisecond
	if s.chance(60) {
		return near
	}
	return far
}

func (s *Script) charge() int64 {
	amount := 1 + s.random.Int64N(2*price)
	if s.chance(25) {
		return amount
	}
	return 0
}

type weighted[T any] struct {
	value  T
	weight int
}

// pick draws one of several values.
func pick[T any](random *rand.Rand, choices []weighted[T]) T {
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	n := random.IntN(total)
	for _, c := range choices {
		if n -= c.weight; n < 0 {
			return c.value
		}
	}
	panic("chaos: weights do not add up") // n is less than their sum
}
