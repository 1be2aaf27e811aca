package seatmap

import (
	"fmt"

	"boxoffice"
)

// DecodeEventSeats reads the data of an event that [boxoffice.EncodeEvent] wrote. A type or version that
// it does not know is an error: guessing what happened is worse than stopping.
func DecodeEvent(eventType string, data []byte) (boxoffice.EventData, error) {
	switch eventType {
	case Opened{}.EventType():
		return boxoffice.DecodeEventData[Opened](data)
	case Held{}.EventType():
		return boxoffice.DecodeEventData[Held](data)
	case Released{}.EventType():
		return boxoffice.DecodeEventData[Released](data)
	case Expired{}.EventType():
		return boxoffice.DecodeEventData[Expired](data)
	case Confirmed{}.EventType():
		return boxoffice.DecodeEventData[Confirmed](data)
	case Cancelled{}.EventType():
		return boxoffice.DecodeEventData[Cancelled](data)
	default:
		return nil, fmt.Errorf("a seat map has no event %q", eventType)
	}
}
