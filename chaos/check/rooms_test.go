package check

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/chaos/history"
)

func TestAnHonestRoomPasses(t *testing.T) {
	t.Parallel()
	s := tell(t)
	first, second, third := s.user(0), s.user(0), s.user(0)
	s.join(10, 20, first)
	s.join(30, 40, second)
	s.admit(50, 1, 2)
	s.join(60, 70, third)
	s.log(100, boxoffice.KindGatekeeper, uuid.Nil, boxoffice.PlacesEnded{Sequences: []uint64{1}, Status: boxoffice.PlaceLeft})
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
	s.log(0, boxoffice.KindGatekeeper, uuid.Nil, boxoffice.QueueConfigured{Capacity: 10, AdmitPerSecond: 3})
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
	s.log(0, boxoffice.KindGatekeeper, uuid.Nil, boxoffice.QueueConfigured{Capacity: 10, Paused: true})
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
	s.log(9000, boxoffice.KindGatekeeper, uuid.Nil, boxoffice.PlacesEnded{Sequences: []uint64{1}, Status: boxoffice.PlaceExpired})
	s.requireViolation("waiting room", "before its time")
}

func TestAPlaceExpiresThoughItsHolderHasAHold(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(0)
	s.join(10, 20, user)
	s.admit(50, 1)
	held := boxoffice.SeatWasHeld{ReservationID: uuid.New(), UserID: user, Sequence: 1, SeatNumber: 7, ExpiresAt: s.at(12_000)}
	s.log(10_000, boxoffice.KindSchedule, uuid.New(), held)
	s.log(11_000, boxoffice.KindGatekeeper, uuid.Nil, boxoffice.PlacesEnded{Sequences: []uint64{1}, Status: boxoffice.PlaceExpired})
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

func TestFallingBackInTheLine(t *testing.T) {
	t.Parallel()
	s := tell(t)
	token := s.join(10, 20, s.user(0))
	s.shown(100, token, 3)
	s.shown(500, token, 4) // from a node that is a little behind
	s.requirePass()
	s.shown(3000, token, 5)
	s.requireViolation("place", "fell back from position 3 to 5")
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
