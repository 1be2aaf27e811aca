package boxoffice

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// StoredVersion is the version of every stored form of this package. A form that changes in
// a way that older readers would misread gets a new version, and a reader for both.
const StoredVersion = 1

// EncodeEvent returns the stored form of an event: its type, and its data as JSON with a
// version. At and OperationID are for the caller to keep beside them.
func EncodeEvent(e Event) (eventType string, data []byte, err error) {
	if e.Data == nil {
		return "", nil, fmt.Errorf("encode event: no data")
	}
	payload, err := json.Marshal(e.Data)
	if err != nil {
		return "", nil, fmt.Errorf("encode event %s: %w", e.Data.EventType(), err)
	}
	// Every payload is an object with members; the version becomes its first.
	data = fmt.Appendf(make([]byte, 0, len(payload)+len(`"v":1,`)), `{"v":%d,`, StoredVersion)
	return e.Data.EventType(), append(data, payload[1:]...), nil
}

// DecodeEventData reads the stored form of an event whose data is a T.
func DecodeEventData[T EventData](data []byte) (EventData, error) {
	var payload T
	if err := DecodeStored(data, &payload); err != nil {
		return nil, err
	}
	return payload, nil
}

// DecodeStored reads a stored form into target after checking its version.
func DecodeStored(data []byte, target any) error {
	var header struct {
		Version *int `json:"v"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if header.Version == nil || *header.Version != StoredVersion {
		return fmt.Errorf("version is not %d: %.40q", StoredVersion, bytes.TrimSpace(data))
	}
	return json.Unmarshal(data, target)
}
