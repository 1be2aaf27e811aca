package actors

import (
	"boxoffice"
	"boxoffice/actors/messages"

	"boxoffice/seatmap"
)

// seatsStateMessage is all that a replica of the seats consists of.
func seatsStateMessage(v *seatmap.View, mark *messages.Mark) *messages.SeatsState {
	m := &messages.SeatsState{Mark: mark, Map: seatMapMessage(v.Map)}
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

// SeatViewOf reads a whole view of seats.
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

func seatUpdateMessage(u seatmap.Update) *messages.SeatUpdate {
	return &messages.SeatUpdate{
		SeatNumber: int32(u.SeatNumber), Status: int32(u.Status),
		Sequence: u.Sequence, HeldUntil: millis(u.HeldUntil),
	}
}

// SeatUpdatesOf reads what one commit made of seats. An update of a seat that does not
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
