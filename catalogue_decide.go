package boxoffice

import "time"

// Validate tells the concert that was asked for (without id), or every value that is
// wrong.
func (n NewConcert) Validate() (Concert, *Error) { panic("being written") }

// Decide tells the terms and the waiting room that were asked for (without ids), or
// every value that is wrong.
func (n NewSchedule) Decide(
	now time.Time, concertPrice int64, defaultCapacity, defaultAdmitPerSecond int,
) (Terms, QueueOpened, *Error) {
	panic("being written")
}

// ValidateUserName refuses names that nobody can have, as body.name.
func ValidateUserName(name string) *Error { panic("being written") }

// ValidDate tells whether s is a date as YYYY-MM-DD.
func ValidDate(s string) bool { panic("being written") }

// Validate refuses dates that are none, and a From after its To, as query.from and
// query.to.
func (f ScheduleFilter) Validate() *Error { panic("being written") }
