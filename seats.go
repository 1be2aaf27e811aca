package boxoffice

// SeatStatus is the state of a seat on the seat map.
type SeatStatus uint8

// The statuses of a seat. Nodes send them to each other by number.
const (
	SeatAvailable SeatStatus = iota
	SeatHeld
	SeatSold
)

func (s SeatStatus) String() string { return [...]string{"available", "held", "sold"}[s] }

// SeatMap holds the seats of a schedule at one version. Index 0 is seat 1.
type SeatMap struct {
	ScheduleID int64
	Version    int64 // grows with every change of a seat
	Statuses   [SeatCount]SeatStatus
	// Prices are the same at every version. Maps made from one another share them: they
	// must not be changed.
	Prices *[SeatCount]int64
}

// SeatNews is what a follower of a schedule's seats receives.
type SeatNews struct {
	// Map is the current state of the seats. It is shared and must not be changed.
	Map *SeatMap
	// Changes are what happened after the version that was asked for, oldest first.
	Changes []SeatChange
	// Complete is true if Changes lead from the version that was asked for to Map. If it is
	// false, nobody knows what lies between, and the whole map has to be shown.
	Complete bool
	// Changed is closed when it is worth asking again: the seats have changed, or a place
	// has ended, or this may not be the newest any more. It is not closed when the
	// follower's own admission runs out.
	Changed <-chan struct{}
}

// SeatChange is one change of one seat.
type SeatChange struct {
	Version    int64 // of the map after it; no two changes share one
	SeatNumber int
	Status     SeatStatus
}
