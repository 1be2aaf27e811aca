package boxoffice

import (
	"time"

	"github.com/google/uuid"
)

// RoomCommand is one of [Join], [Touch], [Leave], [Complete] and [Configure].
type RoomCommand interface{ roomCommand() }

func (Join) roomCommand()      {}
func (Touch) roomCommand()     {}
func (Leave) roomCommand()     {}
func (Complete) roomCommand()  {}
func (Configure) roomCommand() {}

// WaitingRoom is the line in front of one schedule and the places that it let in.
type WaitingRoom struct {
	// ScheduleID is only shown; whoever makes a room sets it.
	ScheduleID int64
}

// NewWaitingRoom makes a waiting room before its first event.
func NewWaitingRoom(limits RoomLimits) *WaitingRoom { panic("being written") }

// RestoreWaitingRoom rebuilds a waiting room from its newest snapshot (nil: none), the
// events after it, its live places in order of sequence, and the times at which places
// that are no longer live were admitted (the last second's are needed; as far back as
// RateWindow they improve the estimates).
func RestoreWaitingRoom(
	limits RoomLimits, snapshot []byte, events []Event, places []PlaceRecord, recentAdmissions []time.Time,
) (*WaitingRoom, error) {
	panic("being written")
}

// Snapshot encodes settings and counters, not the places.
func (r *WaitingRoom) Snapshot() ([]byte, error) { panic("being written") }

// Decide tells what comes of a command at now. It does not change the room.
func (r *WaitingRoom) Decide(cmd RoomCommand, now time.Time) ([]Event, *Error) {
	panic("being written")
}

// Apply changes the state by one event.
func (r *WaitingRoom) Apply(e Event) { panic("being written") }

// Admit lets in whom the limits let in at now, in order. Places from claimedFrom on
// are being answered right now and count as claimed.
func (r *WaitingRoom) Admit(now time.Time, claimedFrom uint64) []Event { panic("being written") }

// ExpireDue ends the admitted places that are over at now.
func (r *WaitingRoom) ExpireDue(now time.Time) []Event { panic("being written") }

// NoteRow takes in what Postgres or the schedule said about an admitted place.
func (r *WaitingRoom) NoteRow(row PlaceRow, now time.Time) []Event { panic("being written") }

// NoteSeats takes in what the schedule said about its seats; an older version is ignored.
func (r *WaitingRoom) NoteSeats(version int64, available int, soldOut bool) { panic("being written") }

// NextSequence is the sequence number that the next join gets.
func (r *WaitingRoom) NextSequence() uint64 { panic("being written") }

// AdmittedSequences lists the admitted places, in order.
func (r *WaitingRoom) AdmittedSequences() []uint64 { panic("being written") }

// NextWake is when there will be something to admit, expire or tell; zero if nothing.
func (r *WaitingRoom) NextWake(now time.Time) time.Time { panic("being written") }

// Place shows a place to its holder.
func (r *WaitingRoom) Place(userID uuid.UUID, sequence uint64, now time.Time) (Place, *Error) {
	panic("being written")
}

// PlaceOf finds the live place of a user.
func (r *WaitingRoom) PlaceOf(userID uuid.UUID) (sequence uint64, ok bool) { panic("being written") }

// Status is the public view of the room at now.
func (r *WaitingRoom) Status(now time.Time) QueueStatus { panic("being written") }
