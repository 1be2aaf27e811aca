package boxoffice

// SeatStatus is what the seat map shows of a seat.
type SeatStatus uint8

// The statuses of a seat. Nodes tell them to each other by number.
const (
	SeatAvailable SeatStatus = iota
	SeatHeld
	SeatSold
)

func (s SeatStatus) String() string { return [...]string{"available", "held", "sold"}[s] }

// SeatMap is the seats of a schedule at one version. Index 0 is seat 1.
type SeatMap struct {
	ScheduleID int64
	Version    int64 // grows with every change of a seat
	Statuses   [SeatCount]SeatStatus
	// Prices are the same at every version, shared by the maps that were made from one
	// another: nobody changes them.
	Prices *[SeatCount]int64
}

// SeatNews is what somebody who follows the seats of a schedule is told.
type SeatNews struct {
	// Map is how the seats stand. It is shared: nobody changes it.
	Map *SeatMap
	// Changes are what happened after the version that was asked for, oldest first.
	Changes []SeatChange
	// Complete tells that Changes lead from the version that was asked for to Map. If
	// not, nobody knows what lies between, and the whole map has to be shown.
	Complete bool
	// Changed is closed when it is worth asking again: the seats have changed, or a place
	// has ended, or this may not be the newest any more. That the admission of who asks
	// runs out does not close it.
	Changed <-chan struct{}
}

// SeatChange is one change of one seat.
type SeatChange struct {
	Version    int64 // of the map after it; no two changes share one
	SeatNumber int
	Status     SeatStatus
}
