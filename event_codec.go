package boxoffice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// storedVersion is the version of every stored form of this package. A form that has to
// change in a way that older readers would misread gets a new one, and a reader for both.
const storedVersion = 1

// EncodeEvent gives the stored form of an event: its type, and its data as JSON with a
// version. At and OperationID are for the caller to keep beside them.
func EncodeEvent(e Event) (eventType string, data []byte, err error) {
	if e.Data == nil {
		return "", nil, fmt.Errorf("encode event: no data")
	}
	if d, ok := e.Data.(interface{ appendMembers(b []byte) []byte }); ok {
		return e.Data.eventType(), append(d.appendMembers(beginStored(storedEventSize)), '}'), nil
	}
	payload, err := json.Marshal(e.Data)
	if err != nil {
		return "", nil, fmt.Errorf("encode event %s: %w", e.Data.eventType(), err)
	}
	// Every payload is an object with members; the version becomes its first.
	data = fmt.Appendf(make([]byte, 0, len(payload)+len(`"v":1,`)), `{"v":%d,`, storedVersion)
	return e.Data.eventType(), append(data, payload[1:]...), nil
}

// DecodeEvent reads what EncodeEvent wrote. A type or version that it does not know is
// an error: guessing what happened is worse than stopping.
func DecodeEvent(eventType string, at time.Time, operationID uuid.UUID, data []byte) (Event, error) {
	payload, err := decodeEventData(eventType, data)
	if err != nil {
		return Event{}, fmt.Errorf("decode event %q: %w", eventType, err)
	}
	return Event{At: at, OperationID: operationID, Data: payload}, nil
}

func decodeEventData(eventType string, data []byte) (EventData, error) {
	switch eventType {
	case ScheduleOpened{}.eventType():
		return decodeAs[ScheduleOpened](data)
	case SeatWasHeld{}.eventType():
		return decodeAs[SeatWasHeld](data)
	case SeatWasReleased{}.eventType():
		return decodeAs[SeatWasReleased](data)
	case HoldExpired{}.eventType():
		return decodeAs[HoldExpired](data)
	case SeatWasConfirmed{}.eventType():
		return decodeAs[SeatWasConfirmed](data)
	case SaleWasCancelled{}.eventType():
		return decodeAs[SaleWasCancelled](data)
	case QueueOpened{}.eventType():
		return decodeAs[QueueOpened](data)
	case QueueConfigured{}.eventType():
		return decodeAs[QueueConfigured](data)
	case PlacesJoined{}.eventType():
		return decodeAs[PlacesJoined](data)
	case PlacesAdmitted{}.eventType():
		return decodeAs[PlacesAdmitted](data)
	case PlacesClaimed{}.eventType():
		return decodeAs[PlacesClaimed](data)
	case PlacesEnded{}.eventType():
		return decodeAs[PlacesEnded](data)
	default:
		return nil, fmt.Errorf("unknown type")
	}
}

func decodeAs[T EventData](data []byte) (EventData, error) {
	var payload T
	if err := decodeStored(data, &payload); err != nil {
		return nil, err
	}
	return payload, nil
}

// decodeStored reads a stored form into target, after a look at its version.
func decodeStored(data []byte, target any) error {
	var header struct {
		Version *int `json:"v"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if header.Version == nil || *header.Version != storedVersion {
		return fmt.Errorf("version is not %d: %.40q", storedVersion, bytes.TrimSpace(data))
	}
	return json.Unmarshal(data, target)
}
