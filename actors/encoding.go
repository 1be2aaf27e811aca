//revive:disable:file-length-limit // the one table between domain types and grain messages

package actors

import (
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// The one table between domain types and grain messages. A message that cannot be
// read (a wrong id length, say) comes from a broken peer, not from a client: it reads
// as zero values, which no command accepts.

func idBytes(id uuid.UUID) []byte {
	if id == uuid.Nil {
		return nil
	}
	return id[:]
}

func idOf(b []byte) uuid.UUID {
	id, err := uuid.FromBytes(b)
	if err != nil {
		return uuid.Nil
	}
	return id
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func operationMessage(op boxoffice.Operation) *messages.Operation {
	m := &messages.Operation{Id: op.ID[:]}
	if !op.Key.IsZero() {
		m.Key = &messages.Key{
			UserId:    op.Key.UserID[:],
			Operation: op.Key.Operation,
			Key:       op.Key.Key,
			Digest:    op.Key.Digest[:],
		}
	}
	return m
}

func operationOf(m *messages.Operation) boxoffice.Operation {
	op := boxoffice.Operation{ID: idOf(m.GetId())}
	if k := m.GetKey(); k != nil {
		op.Key = boxoffice.IdempotencyKey{
			UserID:    idOf(k.GetUserId()),
			Operation: k.GetOperation(),
			Key:       k.GetKey(),
		}
		copy(op.Key.Digest[:], k.GetDigest())
	}
	return op
}

func admissionMessage(a boxoffice.Admission) *messages.Admission {
	return &messages.Admission{UserId: a.UserID[:], Sequence: a.Sequence, EndsAt: millis(a.EndsAt)}
}

func admissionOf(m *messages.Admission) boxoffice.Admission {
	return boxoffice.Admission{
		UserID:   idOf(m.GetUserId()),
		Sequence: m.GetSequence(),
		EndsAt:   timeOf(m.GetEndsAt()),
	}
}

// commandOf returns the command in a message to a schedule; nil if it holds none.
func commandOf(m proto.Message) seatmap.Command {
	switch m := m.(type) {
	case *messages.Hold:
		return seatmap.Hold{
			Operation:     operationOf(m.GetOperation()),
			Admission:     admissionOf(m.GetAdmission()),
			ReservationID: idOf(m.GetReservationId()),
			SeatNumber:    int(m.GetSeatNumber()),
		}
	case *messages.Release:
		return seatmap.Release{
			Operation:     operationOf(m.GetOperation()),
			ReservationID: idOf(m.GetReservationId()),
			UserID:        idOf(m.GetUserId()),
		}
	case *messages.Pay:
		return seatmap.Pay{
			Operation:     operationOf(m.GetOperation()),
			PaymentID:     idOf(m.GetPaymentId()),
			ReservationID: idOf(m.GetReservationId()),
			UserID:        idOf(m.GetUserId()),
		}
	case *messages.CancelSale:
		return seatmap.Cancel{
			Operation: operationOf(m.GetOperation()),
			PaymentID: idOf(m.GetPaymentId()),
			UserID:    idOf(m.GetUserId()),
		}
	case *messages.EndPlace:
		return seatmap.EndPlace{
			Operation:  operationOf(m.GetOperation()),
			UserID:     idOf(m.GetUserId()),
			EndedPlace: boxoffice.EndedPlace{Sequence: m.GetSequence(), EndsAt: timeOf(m.GetEndsAt())},
		}
	default:
		return nil
	}
}

func refusalMessage(e *boxoffice.Error) *messages.Refusal {
	if e == nil {
		return nil
	}
	m := &messages.Refusal{
		Code:       string(e.Code),
		Detail:     e.Detail,
		Balance:    e.Balance,
		Amount:     e.Amount,
		RetryAfter: e.RetryAfter.Milliseconds(),
	}
	if len(e.AvailableSeats) > 0 {
		m.AvailableSeats = make([]int32, len(e.AvailableSeats))
		for i, n := range e.AvailableSeats {
			m.AvailableSeats[i] = int32(n)
		}
	}
	for _, f := range e.Fields {
		m.Fields = append(m.Fields, &messages.FieldError{Location: f.Location, Message: f.Message})
	}
	return m
}

func refusalOf(m *messages.Refusal) *boxoffice.Error {
	if m == nil {
		return nil
	}
	e := &boxoffice.Error{
		Code:       boxoffice.Code(m.GetCode()),
		Detail:     m.GetDetail(),
		Balance:    m.GetBalance(),
		Amount:     m.GetAmount(),
		RetryAfter: time.Duration(m.GetRetryAfter()) * time.Millisecond,
	}
	if e.Code == boxoffice.CodeSeatTaken {
		e.AvailableSeats = make([]int, len(m.GetAvailableSeats()))
		for i, n := range m.GetAvailableSeats() {
			e.AvailableSeats[i] = int(n)
		}
	}
	for _, f := range m.GetFields() {
		e.Fields = append(e.Fields, boxoffice.FieldError{Location: f.GetLocation(), Message: f.GetMessage()})
	}
	return e
}

func outcomeMessage(o boxoffice.Outcome) *messages.Outcome {
	m := &messages.Outcome{
		At:       millis(o.At),
		Refusal:  refusalMessage(o.Refusal),
		Created:  o.Created,
		Replayed: o.Replayed,
	}
	if r := o.Reservation; r != nil {
		m.Reservation = &messages.Reservation{
			Id:         r.ID[:],
			ConcertId:  r.ConcertID,
			ScheduleId: r.ScheduleID,
			SeatNumber: int32(r.SeatNumber),
			UserId:     r.UserID[:],
			Status:     string(r.Status),
			Price:      r.Price,
			CreatedAt:  millis(r.CreatedAt),
			ExpiresAt:  millis(r.ExpiresAt),
			PaymentId:  idBytes(r.PaymentID),
		}
	}
	if p := o.Payment; p != nil {
		m.Payment = &messages.Payment{
			Id:             p.ID[:],
			ReservationId:  p.ReservationID[:],
			ConcertId:      p.ConcertID,
			ScheduleId:     p.ScheduleID,
			SeatNumber:     int32(p.SeatNumber),
			UserId:         p.UserID[:],
			Amount:         p.Amount,
			Balance:        p.Balance,
			Status:         string(p.Status),
			StartsAt:       millis(p.StartsAt),
			EndsAt:         millis(p.EndsAt),
			PaidAt:         millis(p.PaidAt),
			RefundedAmount: p.RefundedAmount,
			CancelledAt:    millis(p.CancelledAt),
		}
	}
	return m
}

func outcomeOf(m *messages.Outcome) boxoffice.Outcome {
	o := boxoffice.Outcome{
		At:       timeOf(m.GetAt()),
		Refusal:  refusalOf(m.GetRefusal()),
		Created:  m.GetCreated(),
		Replayed: m.GetReplayed(),
	}
	if r := m.GetReservation(); r != nil {
		o.Reservation = &boxoffice.Reservation{
			ID:         idOf(r.GetId()),
			ConcertID:  r.GetConcertId(),
			ScheduleID: r.GetScheduleId(),
			SeatNumber: int(r.GetSeatNumber()),
			UserID:     idOf(r.GetUserId()),
			Status:     boxoffice.ReservationStatus(r.GetStatus()),
			Price:      r.GetPrice(),
			CreatedAt:  timeOf(r.GetCreatedAt()),
			ExpiresAt:  timeOf(r.GetExpiresAt()),
			PaymentID:  idOf(r.GetPaymentId()),
		}
	}
	if p := m.GetPayment(); p != nil {
		o.Payment = &boxoffice.Payment{
			ID:             idOf(p.GetId()),
			ReservationID:  idOf(p.GetReservationId()),
			ConcertID:      p.GetConcertId(),
			ScheduleID:     p.GetScheduleId(),
			SeatNumber:     int(p.GetSeatNumber()),
			UserID:         idOf(p.GetUserId()),
			Amount:         p.GetAmount(),
			Balance:        p.GetBalance(),
			Status:         boxoffice.PaymentStatus(p.GetStatus()),
			StartsAt:       timeOf(p.GetStartsAt()),
			EndsAt:         timeOf(p.GetEndsAt()),
			PaidAt:         timeOf(p.GetPaidAt()),
			RefundedAmount: p.GetRefundedAmount(),
			CancelledAt:    timeOf(p.GetCancelledAt()),
		}
	}
	return o
}

func seatMapMessage(s boxoffice.SeatMap) *messages.SeatMap {
	m := &messages.SeatMap{
		ScheduleId: s.ScheduleID,
		Version:    s.Version,
		Statuses:   make([]byte, len(s.Statuses)),
		Prices:     s.Prices[:],
	}
	for i, status := range s.Statuses {
		m.Statuses[i] = byte(status)
	}
	return m
}

// seatStatusOf returns the status with a number. An unknown number becomes a valid status,
// so that it is not passed on.
func seatStatusOf(number byte) boxoffice.SeatStatus {
	return boxoffice.SeatStatus(number) % (boxoffice.SeatSold + 1)
}

func seatMapOf(m *messages.SeatMap) *boxoffice.SeatMap {
	s := &boxoffice.SeatMap{ScheduleID: m.GetScheduleId(), Version: m.GetVersion(), Prices: new([boxoffice.SeatCount]int64)}
	for i, status := range m.GetStatuses()[:min(len(m.GetStatuses()), len(s.Statuses))] {
		s.Statuses[i] = seatStatusOf(status)
	}
	copy(s.Prices[:], m.GetPrices())
	return s
}

func placeMessage(p boxoffice.Place, created bool) *messages.Place {
	return &messages.Place{
		ScheduleId:      p.ScheduleID,
		UserId:          p.UserID[:],
		Sequence:        p.Sequence,
		Status:          string(p.Status),
		Position:        int64(p.Position),
		Waiting:         int64(p.Waiting),
		EtaMin:          p.ETAMin.Milliseconds(),
		EtaMax:          p.ETAMax.Milliseconds(),
		PollAfter:       p.PollAfter.Milliseconds(),
		JoinedAt:        millis(p.JoinedAt),
		AdmittedAt:      millis(p.AdmittedAt),
		ExpiresAt:       millis(p.ExpiresAt),
		AdmissionEndsAt: millis(p.AdmissionEndsAt),
		SoldOut:         p.SoldOut,
		Created:         created,
	}
}

func placeOf(m *messages.Place) boxoffice.Place {
	return boxoffice.Place{
		ScheduleID:      m.GetScheduleId(),
		UserID:          idOf(m.GetUserId()),
		Sequence:        m.GetSequence(),
		Status:          boxoffice.PlaceStatus(m.GetStatus()),
		Position:        int(m.GetPosition()),
		Waiting:         int(m.GetWaiting()),
		ETAMin:          time.Duration(m.GetEtaMin()) * time.Millisecond,
		ETAMax:          time.Duration(m.GetEtaMax()) * time.Millisecond,
		PollAfter:       time.Duration(m.GetPollAfter()) * time.Millisecond,
		JoinedAt:        timeOf(m.GetJoinedAt()),
		AdmittedAt:      timeOf(m.GetAdmittedAt()),
		ExpiresAt:       timeOf(m.GetExpiresAt()),
		AdmissionEndsAt: timeOf(m.GetAdmissionEndsAt()),
		SoldOut:         m.GetSoldOut(),
	}
}

func queueStatusMessage(s boxoffice.QueueStatus) *messages.QueueStatus {
	return &messages.QueueStatus{
		ScheduleId:     s.ScheduleID,
		State:          string(s.State),
		Waiting:        int64(s.Waiting),
		Admitted:       int64(s.Admitted),
		Capacity:       int64(s.Capacity),
		AdmitPerSecond: int64(s.AdmitPerSecond),
		AvailableSeats: int32(s.AvailableSeats),
	}
}

func queueStatusOf(m *messages.QueueStatus) boxoffice.QueueStatus {
	return boxoffice.QueueStatus{
		ScheduleID:     m.GetScheduleId(),
		State:          boxoffice.QueueState(m.GetState()),
		Waiting:        int(m.GetWaiting()),
		Admitted:       int(m.GetAdmitted()),
		Capacity:       int(m.GetCapacity()),
		AdmitPerSecond: int(m.GetAdmitPerSecond()),
		AvailableSeats: int(m.GetAvailableSeats()),
	}
}

func configureMessage(c boxoffice.Configure) *messages.Configure {
	m := &messages.Configure{Paused: c.Paused}
	if c.Capacity != nil {
		n := int64(*c.Capacity)
		m.Capacity = &n
	}
	if c.AdmitPerSecond != nil {
		n := int64(*c.AdmitPerSecond)
		m.AdmitPerSecond = &n
	}
	return m
}

func configureOf(m *messages.Configure) boxoffice.Configure {
	c := boxoffice.Configure{Paused: m.Paused} //nolint:protogetter // presence matters
	if m.Capacity != nil {
		n := int(m.GetCapacity())
		c.Capacity = &n
	}
	if m.AdmitPerSecond != nil {
		n := int(m.GetAdmitPerSecond())
		c.AdmitPerSecond = &n
	}
	return c
}

// newsMessage returns the message that tells a gatekeeper what its schedule has decided.
func newsMessage(n boxoffice.ScheduleNews) *messages.ScheduleNews {
	m := &messages.ScheduleNews{
		After: n.After, Version: n.Version, AvailableSeats: int32(n.AvailableSeats), SoldOut: n.SoldOut,
	}
	for _, p := range n.Places {
		m.Places = append(m.Places, &messages.PlaceNews{
			Sequence: p.Sequence, Completed: p.Completed, HeldUntil: millis(p.HeldUntil),
		})
	}
	return m
}

func newsOf(m *messages.ScheduleNews) boxoffice.ScheduleNews {
	n := boxoffice.ScheduleNews{
		After: m.GetAfter(), Version: m.GetVersion(), AvailableSeats: int(m.GetAvailableSeats()), SoldOut: m.GetSoldOut(),
	}
	for _, p := range m.GetPlaces() {
		n.Places = append(n.Places, boxoffice.PlaceNews{
			Sequence: p.GetSequence(), Completed: p.GetCompleted(), HeldUntil: timeOf(p.GetHeldUntil()),
		})
	}
	return n
}

// seatsStateMessage returns everything that a replica of the seats consists of.
func seatsStateMessage(v *seatmap.View, mark *messages.Mark) *messages.SeatsState {
	m := &messages.SeatsState{Mark: mark, Map: seatMapMessage(*v.Map)}
	for _, h := range v.Holds {
		m.Holds = append(m.Holds, &messages.SeatHold{
			SeatNumber: int32(h.SeatNumber), Sequence: h.Sequence, Until: millis(h.Until),
		})
	}
	// Differences of sorted numbers are small, and so are small numbers on the wire.
	m.Ended = v.Ended()
	for i := len(m.Ended) - 1; i > 0; i-- {
		m.Ended[i] -= m.Ended[i-1]
	}
	return m
}

// SeatViewOf returns the view of the seats in a message.
func SeatViewOf(m *messages.SeatsState) *seatmap.View {
	var holds []seatmap.HeldSeat
	for _, h := range m.GetHolds() {
		holds = append(holds, seatmap.HeldSeat{
			SeatNumber: int(h.GetSeatNumber()), Sequence: h.GetSequence(), Until: timeOf(h.GetUntil()),
		})
	}
	ended := make([]uint64, len(m.GetEnded()))
	var last uint64
	for i, difference := range m.GetEnded() {
		last += difference
		ended[i] = last
	}
	return seatmap.NewView(seatMapOf(m.GetMap()), holds, ended)
}

// seatsChangeMessage returns the message with the changes of one commit.
func seatsChangeMessage(updates []seatmap.Update, ended []uint64) *messages.Change {
	m := &messages.SeatsChange{Ended: ended}
	for _, u := range updates {
		m.Updates = append(m.Updates, &messages.SeatUpdate{
			SeatNumber: int32(u.SeatNumber), Status: int32(u.Status), Sequence: u.Sequence, HeldUntil: millis(u.HeldUntil),
		})
	}
	return &messages.Change{Of: &messages.Change_Seats{Seats: m}}
}

// SeatUpdatesOf returns one commit's updates of seats. An update of a seat that does not
// exist is left out.
func SeatUpdatesOf(m *messages.SeatsChange) []seatmap.Update {
	updates := make([]seatmap.Update, 0, len(m.GetUpdates()))
	for _, u := range m.GetUpdates() {
		if n := u.GetSeatNumber(); n < 1 || n > boxoffice.SeatCount {
			continue
		}
		updates = append(updates, seatmap.Update{
			SeatNumber: int(u.GetSeatNumber()), Status: seatStatusOf(byte(u.GetStatus())),
			Sequence: u.GetSequence(), HeldUntil: timeOf(u.GetHeldUntil()),
		})
	}
	return updates
}

func roomViewMessage(v *waitingroom.View) *messages.RoomView {
	return &messages.RoomView{
		SalesOpenAt:    millis(v.SalesOpenAt),
		SalesCloseAt:   millis(v.SalesCloseAt),
		Capacity:       int64(v.Capacity),
		AdmitPerSecond: int64(v.AdmitPerSecond),
		Paused:         v.Paused,
		SoldOut:        v.SoldOut,
		AvailableSeats: int32(v.AvailableSeats),
		Waiting:        int64(v.Waiting),
		Admitted:       int64(v.Admitted),
		MaxPollAfter:   v.MaxPollAfter.Milliseconds(),
	}
}
