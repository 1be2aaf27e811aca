package history

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Token is what a queue token says.
type Token struct {
	UserID        uuid.UUID `json:"sub"`
	ScheduleID    int64     `json:"schedule"`
	Sequence      uint64    `json:"sequence"`
	AdmittedUntil int64     `json:"admittedUntil,omitzero"` // milliseconds since the Unix epoch; 0: waiting
}

// Admitted reports whether the token is of an admitted place.
func (t Token) Admitted() bool { return t.AdmittedUntil != 0 }

// ReadToken reads the claims of a queue token, without checking its signature: the
// service made it.
func ReadToken(token string) (Token, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Token{}, fmt.Errorf("queue token has %d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Token{}, fmt.Errorf("read queue token: %w", err)
	}
	var t Token
	if err := json.Unmarshal(payload, &t); err != nil {
		return Token{}, fmt.Errorf("read queue token: %w", err)
	}
	return t, nil
}

// SeatMap is the statuses of a schedule's seats, one letter each in order of seat
// number: a(vailable), h(eld) or s(old).
type SeatMap string

// UnmarshalJSON implements json.Unmarshaler. It reads both the contract's list and the
// letters.
func (m *SeatMap) UnmarshalJSON(data []byte) error {
	var letters string
	if json.Unmarshal(data, &letters) == nil {
		*m = SeatMap(letters)
		return nil
	}
	var seats []struct {
		SeatNumber int    `json:"seatNumber"`
		Status     string `json:"status"`
	}
	if err := json.Unmarshal(data, &seats); err != nil {
		return err
	}
	var b strings.Builder
	for i, seat := range seats {
		if seat.SeatNumber != i+1 || len(seat.Status) == 0 {
			return fmt.Errorf("seat %d follows %d in a seat map, with status %q", seat.SeatNumber, i, seat.Status)
		}
		b.WriteByte(seat.Status[0])
	}
	*m = SeatMap(b.String())
	return nil
}

// ReadQueue reads the body of a successful answer of the kind [Queue].
func ReadQueue(body []byte) (Answer, error) {
	var view QueueView
	if err := json.Unmarshal(body, &view); err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	return Answer{Queue: &view}, nil
}

// ReadAnswer reads the body of an answer of any other kind, or of a problem, which has a code.
func ReadAnswer(body []byte) (Answer, string, error) {
	if len(body) == 0 {
		return Answer{}, "", nil
	}
	var a struct {
		Answer
		Code string `json:"code"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return Answer{}, "", fmt.Errorf("read answer: %w", err)
	}
	if a.Token != "" {
		place, err := ReadToken(a.Token)
		if err != nil {
			return Answer{}, "", err
		}
		a.Place = place
	}
	return a.Answer, a.Code, nil
}
