package http

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"boxoffice"
)

// The answers that crowds get are appended to a buffer by hand, byte for byte what
// package json makes of the same values; tests compare the two.

// answerSize is room for most of them: a place has about 700 bytes, a refusal that lists
// 50 free seats 600. For a seat map, which has some 2 500, a buffer grows once.
const answerSize = 1024

// answerBuffer is used for one answer at a time.
type answerBuffer struct{ bytes []byte }

func newAnswerBuffer() any { return &answerBuffer{make([]byte, 0, answerSize)} }

// appendTo appends a place as package json would.
func (p *placeJSON) appendTo(b []byte) []byte {
	b = append(b, `{"token":"`...)
	b = append(b, p.Token...) // base64url and dots
	b = append(b, `","scheduleId":`...)
	b = strconv.AppendInt(b, p.ScheduleID, 10)
	b = append(b, `,"userId":"`...)
	b = appendID(b, p.UserID)
	b = append(b, `","status":"`...)
	b = append(b, p.Status...) // one of the domain's words
	b = append(b, `","position":`...)
	b = strconv.AppendInt(b, int64(p.Position), 10)
	b = append(b, `,"ahead":`...)
	b = strconv.AppendInt(b, int64(p.Ahead), 10)
	b = append(b, `,"waiting":`...)
	b = strconv.AppendInt(b, int64(p.Waiting), 10)
	b = append(b, `,"etaSeconds":`...)
	if eta := p.ETASeconds; eta != nil {
		b = append(b, `{"min":`...)
		b = strconv.AppendInt(b, int64(eta.Min), 10)
		b = append(b, `,"max":`...)
		b = strconv.AppendInt(b, int64(eta.Max), 10)
		b = append(b, '}')
	} else {
		b = append(b, `null`...)
	}
	b = append(b, `,"pollAfterMs":`...)
	b = strconv.AppendInt(b, p.PollAfterMS, 10)
	b = append(b, `,"joinedAt":`...)
	b = appendTime(b, p.JoinedAt)
	b = appendOptionalTime(append(b, `,"admittedAt":`...), p.AdmittedAt)
	b = append(b, `,"expiresAt":`...)
	b = appendTime(b, p.ExpiresAt)
	b = append(b, `,"expiresInSeconds":`...)
	b = strconv.AppendInt(b, int64(p.ExpiresInSeconds), 10)
	b = append(b, `,"soldOut":`...)
	b = strconv.AppendBool(b, p.SoldOut)
	return append(b, '}')
}

// appendTo appends a reservation as package json would.
func (r *reservationJSON) appendTo(b []byte) []byte {
	b = appendID(append(b, `{"reservationId":"`...), r.ReservationID)
	b = strconv.AppendInt(append(b, `","concertId":`...), r.ConcertID, 10)
	b = strconv.AppendInt(append(b, `,"scheduleId":`...), r.ScheduleID, 10)
	b = strconv.AppendInt(append(b, `,"seatNumber":`...), int64(r.SeatNumber), 10)
	b = appendID(append(b, `,"userId":"`...), r.UserID)
	b = append(append(b, `","status":"`...), r.Status...) // one of the domain's words
	b = strconv.AppendInt(append(b, `","price":`...), r.Price, 10)
	b = appendTime(append(b, `,"createdAt":`...), r.CreatedAt)
	b = appendOptionalTime(append(b, `,"expiresAt":`...), r.ExpiresAt)
	b = append(b, `,"expiresInSeconds":`...)
	if r.ExpiresInSeconds != nil {
		b = strconv.AppendInt(b, int64(*r.ExpiresInSeconds), 10)
	} else {
		b = append(b, `null`...)
	}
	b = append(b, `,"paymentId":`...)
	if r.PaymentID != nil {
		b = append(appendID(append(b, '"'), *r.PaymentID), '"')
	} else {
		b = append(b, `null`...)
	}
	return append(b, '}')
}

// appendTo appends a payment as package json would.
func (p *paymentJSON) appendTo(b []byte) []byte {
	b = appendID(append(b, `{"paymentId":"`...), p.PaymentID)
	b = appendID(append(b, `","reservationId":"`...), p.ReservationID)
	b = strconv.AppendInt(append(b, `","concertId":`...), p.ConcertID, 10)
	b = strconv.AppendInt(append(b, `,"scheduleId":`...), p.ScheduleID, 10)
	b = strconv.AppendInt(append(b, `,"seatNumber":`...), int64(p.SeatNumber), 10)
	b = strconv.AppendInt(append(b, `,"amount":`...), p.Amount, 10)
	b = strconv.AppendInt(append(b, `,"balance":`...), p.Balance, 10)
	b = append(append(b, `,"status":"`...), p.Status...) // one of the domain's words
	b = appendTime(append(b, `","startsAt":`...), p.StartsAt)
	b = appendTime(append(b, `,"endsAt":`...), p.EndsAt)
	b = appendTime(append(b, `,"paidAt":`...), p.PaidAt)
	if p.RefundedAmount != nil {
		b = strconv.AppendInt(append(b, `,"refundedAmount":`...), *p.RefundedAmount, 10)
	}
	if p.CancelledAt != nil {
		b = appendTime(append(b, `,"cancelledAt":`...), *p.CancelledAt)
	}
	return append(b, '}')
}

func appendOptionalTime(b []byte, t *timestamp) []byte {
	if t == nil {
		return append(b, `null`...)
	}
	return appendTime(b, *t)
}

// appendTime appends a time in quotes. Package time is quick about RFC 3339 only, which
// has no milliseconds.
func appendTime(b []byte, t timestamp) []byte {
	utc := time.Time(t).UTC()
	b = append(b, '"')
	b = utc.AppendFormat(b, time.RFC3339)
	milliseconds := utc.Nanosecond() / int(time.Millisecond)
	b = append(b[:len(b)-1], '.', byte('0'+milliseconds/100), byte('0'+milliseconds/10%10), byte('0'+milliseconds%10))
	return append(b, 'Z', '"')
}

// appendTo appends a problem as a json.Encoder without HTML escapes would.
func (p *problem) appendTo(b []byte) []byte {
	b = appendText(append(b, `{"type":`...), p.Type)
	b = appendText(append(b, `,"title":`...), p.Title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.Status), 10)
	b = appendText(append(b, `,"detail":`...), p.Detail)
	b = appendText(append(b, `,"code":`...), string(p.Code))
	b = appendText(append(b, `,"requestId":`...), p.RequestID)
	b = append(b, `,"retryable":`...)
	b = strconv.AppendBool(b, p.Retryable)
	if p.AvailableSeats != nil {
		b = append(b, `,"availableSeats":[`...)
		for i, number := range p.AvailableSeats {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(number), 10)
		}
		b = append(b, ']')
	}
	if p.Balance != nil {
		b = strconv.AppendInt(append(b, `,"balance":`...), *p.Balance, 10)
	}
	if p.Amount != nil {
		b = strconv.AppendInt(append(b, `,"amount":`...), *p.Amount, 10)
	}
	if p.Errors != nil {
		b = append(b, `,"errors":[`...)
		for i, e := range p.Errors {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(append(b, `{"location":`...), e.Location)
			b = appendText(append(b, `,"message":`...), e.Message)
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	return append(b, '}', '\n')
}

// appendText appends a string in quotes.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return appendEscaped(b, text)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

func appendEscaped(b []byte, text string) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string can be encoded, and a buffer written
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}

// appendSeatMap appends a seat map.
func appendSeatMap(b []byte, seatMap *boxoffice.SeatMap) []byte {
	b = append(b, `{"scheduleId":`...)
	b = strconv.AppendInt(b, seatMap.ScheduleID, 10)
	b = append(b, `,"version":`...)
	b = strconv.AppendInt(b, seatMap.Version, 10)
	b = append(b, `,"seats":[`...)
	for i, status := range seatMap.Statuses {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"seatNumber":`...)
		b = strconv.AppendInt(b, int64(i+1), 10)
		b = append(b, `,"status":"`...)
		b = append(b, status.String()...)
		b = append(b, `","price":`...)
		b = strconv.AppendInt(b, seatMap.Prices[i], 10)
		b = append(b, '}')
	}
	return append(b, `]}`...)
}
