package waitingroom

import (
	"fmt"

	"boxoffice"
)

// DecodeEventRoom reads the data of an event that [boxoffice.EncodeEvent] wrote. A type or version that
// it does not know is an error: guessing what happened is worse than stopping.
func DecodeEvent(eventType string, data []byte) (boxoffice.EventData, error) {
	switch eventType {
	case Opened{}.EventType():
		return boxoffice.DecodeEventData[Opened](data)
	case Configured{}.EventType():
		return boxoffice.DecodeEventData[Configured](data)
	case Joined{}.EventType():
		return boxoffice.DecodeEventData[Joined](data)
	case Admitted{}.EventType():
		return boxoffice.DecodeEventData[Admitted](data)
	case Claimed{}.EventType():
		return boxoffice.DecodeEventData[Claimed](data)
	case Ended{}.EventType():
		return boxoffice.DecodeEventData[Ended](data)
	default:
		return nil, fmt.Errorf("a waiting room has no event %q", eventType)
	}
}
