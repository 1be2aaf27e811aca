package boxoffice

import "math"

// MaxCapacity bounds how many people a waiting room may admit at a time.
const MaxCapacity = 100_000

// MaxAdmitPerSecond bounds the admissions per second that can be asked for.
const MaxAdmitPerSecond = math.MaxInt32

// Configure changes the settings of a waiting room that are not nil.
type Configure struct {
	Capacity       *int // 1–MaxCapacity
	AdmitPerSecond *int // ≥ 0; 0 = no limit
	Paused         *bool
}

// Validate refuses settings that no waiting room can have, with every value that is wrong.
func (c Configure) Validate() *Error {
	var p problems
	if c.Capacity != nil {
		p.checkCapacity(*c.Capacity)
	}
	if c.AdmitPerSecond != nil {
		p.checkAdmitPerSecond(*c.AdmitPerSecond)
	}
	return p.refusal()
}

// QueueLimits bound how many people a waiting room lets in.
type QueueLimits struct {
	Capacity       int // at a time, 1–MaxCapacity
	AdmitPerSecond int // 0 = no limit
}

// PlaceEnded is the refusal of a place in line that has ended.
func PlaceEnded() *Error {
	return Errorf(CodeQueueTokenExpired, "this place in line has ended")
}
