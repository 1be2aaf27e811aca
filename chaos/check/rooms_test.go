package check

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/chaos/history"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

func TestAnHonestRoomPasses(t *testing.T) {
	t.Parallel()
	s := tell(t)
	first, second, third := s.user(0), s.user(0), s.user(0)
	s.join(10, 20, first)
	s.join(30, 40, second)
	s.admit(50, 1, 2)
	s.join(60, 70, third)
	s.log(100, boxoffice.KindGatekeeper, uuid.Nil, waitingroom.Ended{Sequences: []uint64{1}, Status: boxoffice.PlaceLeft})
	s.admit(1100, 3)
	s.requirePass()
}

func TestMoreAdmittedThanTheCapacity(t *testing.T) {
	t.Parallel()
	s := tell(t)
	for range 3 {
		s.join(10, 20, s.user(0))
	}
	s.admit(50, 1, 2)
	s.admit(2000, 3)
	s.requireViolation("waiting room", "3 are admitted with a capacity of 2")
}

func TestAdmittedOutOfOrder(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.join(10, 20, s.user(0))
	s.join(30, 40, s.user(0))
	s.admit(50, 2)
	s.requireViolation("waiting room", "place 2 was admitted before 1")
}

func TestAdmittedTwice(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.join(10, 20, s.user(0))
	s.admit(50, 1)
	s.admit(2000, 1)
	s.requireViolation("waiting room", "place 1 was admitted twice")
}

func TestMoreAdmittedInASecondThanAllowed(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.log(0, boxoffice.KindGatekeeper, uuid.Nil, waitingroom.Configured{Capacity: 10, AdmitPerSecond: 3})
	for range 4 {
		s.join(10, 20, s.user(0))
	}
	s.admit(50, 1, 2, 3)
	s.admit(1049, 4)
	s.requireViolation("waiting room", "4 were admitted within a second")
}

func TestAdmittedWhilePaused(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.log(0, boxoffice.KindGatekeeper, uuid.Nil, waitingroom.Configured{Capacity: 10, Paused: true})
	s.join(10, 20, s.user(0))
	s.admit(50, 1)
	s.requireViolation("waiting room", "while the queue was paused")
}

func TestTwoLivePlacesOfOneUser(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(0)
	s.join(10, 20, user)
	s.join(30, 40, user)
	s.requireViolation("waiting room", "with live place 1")
}

func TestAPlaceExpiresTooEarly(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.join(10, 20, s.user(0))
	s.admit(50, 1)
	s.log(9000, boxoffice.KindGatekeeper, uuid.Nil, waitingroom.Ended{Sequences: []uint64{1}, Status: boxoffice.PlaceExpired})
	s.requireViolation("waiting room", "before its time")
}

func TestAPlaceExpiresThoughItsHolderHasAHold(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(0)
	s.join(10, 20, user)
	s.admit(50, 1)
	held := seatmap.Held{ReservationID: uuid.New(), UserID: user, Sequence: 1, SeatNumber: 7, ExpiresAt: s.at(12_000)}
	s.log(10_000, boxoffice.KindSchedule, uuid.New(), held)
	s.log(11_000, boxoffice.KindGatekeeper, uuid.Nil, waitingroom.Ended{Sequences: []uint64{1}, Status: boxoffice.PlaceExpired})
	s.requireViolation("waiting room", "was held")
}

func TestAnAcknowledgedPlaceIsLost(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.join(10, 20, s.user(0))
	s.evidence.State.Events = s.evidence.State.Events[:2]
	s.requireViolation("place", "which is not in the log")
}

func TestWhoComesLaterStandsAhead(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.join(100, 110, s.user(0))
	s.join(10, 20, s.user(0))
	s.evidence.State.Events[2].At, s.evidence.State.Events[3].At = s.at(10), s.at(10)
	s.evidence.Operations[0], s.evidence.Operations[1] = s.evidence.Operations[1], s.evidence.Operations[0]
	s.requireViolation("place", "place 1 was asked for after 2 had been given")
}

// shown adds an answer about a place that waits.
func (s *story) shown(call int, token history.Token, position int) {
	joinedAt := s.at(10)
	s.op(history.Place, call, call+10, token.UserID, func(op *history.Operation) {
		op.Answer = history.Answer{Status: "waiting", Place: token, Position: position, JoinedAt: &joinedAt}
	})
}

// line has five people join and lets the first two in, of which nobody is told.
func line(t *testing.T) (s *story, last history.Token) {
	t.Helper()
	s = tell(t)
	for i := range 5 {
		last = s.join(10, 20, s.user(0))
		s.evidence.Operations[i].Answer.Position = i + 1
	}
	s.admit(50, 1, 2)
	return s, last
}

// from makes another node the one that gave the last answer.
func (s *story) from(node int) { s.evidence.Operations[len(s.evidence.Operations)-1].Node = node }

func TestFallingBackInTheLine(t *testing.T) {
	t.Parallel()
	s, token := line(t)
	s.shown(200, token, 3)
	s.shown(500, token, 4) // from a node that is a little behind
	s.requirePass()
	s.shown(3000, token, 5)
	s.requireViolation("place", "fell back from position 3 to 5")
}

func TestPositionsCountWhoWaitsAhead(t *testing.T) {
	t.Parallel()
	s, token := line(t)
	s.shown(200, token, 2)
	s.requireViolation("place", "place 5 waits at position 2, and 3 to 5 would be right")
	s, token = line(t)
	s.op(history.Place, 200, 210, token.UserID, func(op *history.Operation) { // of place 1, from node 0
		op.Request.UserID = s.evidence.Operations[0].Request.UserID
		joinedAt := s.at(10)
		first := history.Token{UserID: op.Request.UserID, ScheduleID: theSchedule, Sequence: 1, AdmittedUntil: 1}
		op.Answer = history.Answer{Status: "admitted", Place: first, JoinedAt: &joinedAt}
	})
	s.shown(300, token, 5)
	s.from(1)
	s.requirePass()
	s.shown(400, token, 5)
	s.requireViolation("place", "place 5 waits at position 5, and 3 to 4 would be right")
}

func TestAPlaceThatWasLeft(t *testing.T) {
	t.Parallel()
	leave := func(s *story, token history.Token) {
		operation := uuid.New()
		s.log(100, boxoffice.KindGatekeeper, operation, waitingroom.Ended{Sequences: []uint64{1}, Status: boxoffice.PlaceLeft})
		s.op(history.Leave, 100, 110, token.UserID, func(op *history.Operation) { op.Status, op.Request.Place = 204, token })
	}
	with := func(kind history.Kind, call int) func(*story, history.Token) {
		return func(s *story, token history.Token) {
			s.op(kind, call, call+10, token.UserID, func(op *history.Operation) {
				op.Request.Place, op.Answer.Seats = token, history.SeatMap(newSeatHistory().maps[0].letters)
			})
		}
	}
	for name, later := range map[string]struct {
		add       func(*story, history.Token)
		violation string
	}{
		"seats soon after":  {add: with(history.Seats, 500)},
		"seats long after":  {add: with(history.Seats, 1500), violation: "seats were shown with place 1"},
		"a hold soon after": {add: with(history.Hold, 150), violation: "a seat was held with place 1"},
		"a place elsewhere": {add: func(s *story, token history.Token) { s.shown(200, token, 1); s.from(1) }},
		"a place here":      {add: func(s *story, token history.Token) { s.shown(200, token, 1) }, violation: "shown after it had ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tell(t)
			token := s.join(10, 20, s.user(0))
			leave(s, token)
			later.add(s, token)
			if later.violation == "" {
				s.requirePass()
			} else {
				s.requireViolation("place", later.violation)
			}
		})
	}
}

func TestAPlaceThatWasAdmittedWaitsAgain(t *testing.T) {
	t.Parallel()
	s := tell(t)
	token := s.join(10, 20, s.user(0))
	s.admit(50, 1)
	admitted := token
	admitted.AdmittedUntil = 1
	s.shown(100, admitted, 0)
	s.evidence.Operations[len(s.evidence.Operations)-1].Answer.Status = "admitted"
	s.requirePass()
	s.shown(200, token, 1)
	s.from(1)
	s.requirePass()
	s.shown(210, token, 1)
	s.requireViolation("place", "shown as waiting after it had been admitted")
}

func TestALivePlaceIsRefused(t *testing.T) {
	t.Parallel()
	s := tell(t)
	token := s.join(10, 20, s.user(0))
	s.admit(50, 1)
	over := func(at int) {
		s.op(history.Place, at, at+10, token.UserID, func(op *history.Operation) {
			refused(boxoffice.CodeQueueTokenExpired)(op)
			op.Request.Place = token
		})
	}
	over(10_051)
	s.requirePass()
	over(9000)
	s.requireViolation("place", "place 1 was refused as over before it was")
}

func TestSoldOutWhileSeatsWereFree(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.op(history.Join, 10, 20, s.user(0), refused(boxoffice.CodeSoldOut))
	s.requireViolation("place", "never had been")
}

// seats adds a look at the seats.
func (s *story) seats(call, node int, version int64, seven byte) {
	letters := []byte(newSeatHistory().maps[0].letters)
	letters[6] = seven
	s.op(history.Seats, call, call+10, uuid.New(), func(op *history.Operation) {
		op.Node, op.Answer = node, history.Answer{Version: version, Seats: history.SeatMap(letters)}
	})
}

func TestSeatMaps(t *testing.T) {
	t.Parallel()
	for name, shown := range map[string]struct {
		call, node int
		version    int64
		seven      byte
		violation  string
	}{
		"before":                      {call: 50, version: 0, seven: 'a'},
		"held":                        {call: 200, version: 1, seven: 'h'},
		"old on another node":         {call: 900, node: 1, version: 0, seven: 'a'},
		"old on the node that did it": {call: 900, version: 0, seven: 'a', violation: "older than change 1"},
		"too old":                     {call: 1500, node: 1, version: 0, seven: 'a', violation: "older than change 1"},
		"never so":                    {call: 200, version: 1, seven: 's', violation: "as they never were"},
		"over":                        {call: 2105, version: 2, seven: 'a'},
		"not yet over":                {call: 1500, version: 2, seven: 'a', violation: "as they never were"},
		"over for long":               {call: 4000, version: 1, seven: 'h', violation: "as they never were"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tell(t)
			s.hold(100, 110, s.user(0), 7)
			s.seats(shown.call, shown.node, shown.version, shown.seven)
			if shown.violation == "" {
				s.requirePass()
			} else {
				s.requireViolation("seat map", shown.violation)
			}
		})
	}
}

func TestOutages(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(0)
	join := func(call, end int, change func(*history.Operation)) { s.op(history.Join, call, end, user, change) }
	join(0, 100, nil)
	join(2000, 2100, unknown)
	join(2600, 3000, refused(boxoffice.CodeSoldOut)) // an answer, too
	join(3010, 9000, nil)
	s.op(history.Seats, 3000, 3100, user, nil) // perhaps from a copy
	outages := LongestOutages(s.evidence.Operations, []int64{theSchedule}, 0, 3500*ms)
	require.Equal(t, []Outage{{ScheduleID: theSchedule, From: 100 * ms, Length: 2900 * ms}}, outages)
	outages = LongestOutages(s.evidence.Operations, []int64{theSchedule}, 3100*ms, 8*time.Second)
	require.Equal(t, 4900*ms, outages[0].Length)
}
