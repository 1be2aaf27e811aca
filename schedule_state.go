package boxoffice

import "time"

// ScheduleCommand is one of [Hold], [Release], [Pay], [CancelSale] and [EndPlace].
type ScheduleCommand interface{ operation() Operation }

func (c Hold) operation() Operation       { return c.Operation }
func (c Release) operation() Operation    { return c.Operation }
func (c Pay) operation() Operation        { return c.Operation }
func (c CancelSale) operation() Operation { return c.Operation }
func (c EndPlace) operation() Operation   { return c.Operation }

// Schedule is one performance: its terms and who has which of its seats. The zero
// value is a schedule before its first event.
type Schedule struct {
	Terms Terms
}

// RestoreSchedule rebuilds a schedule from its newest snapshot (nil: none) and the
// events after it.
func RestoreSchedule(snapshot []byte, events []Event) (*Schedule, error) { panic("being written") }

// Snapshot encodes the state.
func (s *Schedule) Snapshot() ([]byte, error) { panic("being written") }

// Clone makes a copy to decide a batch on.
func (s *Schedule) Clone() *Schedule { c := *s; return &c }

// Decide tells what comes of a command at now. It does not change the schedule.
func (s *Schedule) Decide(cmd ScheduleCommand, now time.Time) ([]Event, Outcome) {
	panic("being written")
}

// Apply changes the state by one event.
func (s *Schedule) Apply(e Event) { panic("being written") }

// Expire gives a HoldExpired for every hold that is over at now.
func (s *Schedule) Expire(now time.Time) []Event { panic("being written") }

// NextWake is when the next hold will be over; zero without holds.
func (s *Schedule) NextWake() time.Time { panic("being written") }

// SeatMap shows the seats at now.
func (s *Schedule) SeatMap(now time.Time) SeatMap { panic("being written") }

// Available counts the free seats at now.
func (s *Schedule) Available(now time.Time) int { panic("being written") }

// AvailableSeats lists the free seats at now, in order; never nil.
func (s *Schedule) AvailableSeats(now time.Time) []int { panic("being written") }

// SoldOut tells whether every seat is confirmed.
func (s *Schedule) SoldOut() bool { panic("being written") }

// CheckAdmission is the guard.
func (s *Schedule) CheckAdmission(a Admission, now time.Time) *Error { panic("being written") }

// BarPlaces refuses the places from now on.
func (s *Schedule) BarPlaces(sequences []uint64) { panic("being written") }
