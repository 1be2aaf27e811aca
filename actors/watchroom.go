package actors

import (
	"fmt"
	"math"

	"github.com/RoaringBitmap/roaring/v2"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"

	"boxoffice/waitingroom"
)

// maxReplicatedSequence is the last sequence that replicas of a waiting room can count.
// It takes 30 000 joins a second for 40 hours to get there; from then on the room has no
// replicas, and every question is a question to the grain.
const maxReplicatedSequence = math.MaxUint32

// watch answers a member with all that its replica of the waiting room starts with.
func (g *gatekeeperGrain) watch(m *messages.WatchRoom) func() proto.Message {
	return func() proto.Message {
		waiting, err := encodeWaiting(g.room)
		if err != nil {
			return refusalMessage(boxoffice.Errorf(boxoffice.CodeInternal, "%v", err))
		}
		g.told = g.room.View()
		state := &messages.RoomState{
			Mark:    g.shell.watch(m.GetWatcher()),
			View:    roomViewMessage(&g.told),
			Waiting: waiting,
		}
		for at, count := range g.told.Pace.Admissions() {
			state.Pace = append(state.Pace, &messages.Admissions{At: millis(at), Count: int64(count)})
		}
		return state
	}
}

// encodeWaiting tells who waits. It takes some 10 ms for a million.
func encodeWaiting(room *waitingroom.Room) ([]byte, error) {
	if next := room.NextSequence(); next > maxReplicatedSequence {
		return nil, fmt.Errorf("replicas count to %d, the next to join is %d", maxReplicatedSequence, next)
	}
	waiting := roaring.New()
	var chunk []uint32
	for sequences := range room.WaitingSequences() {
		first, last := sequences[0], sequences[len(sequences)-1]
		if last-first == uint64(len(sequences)-1) { // nobody between them has gone
			waiting.AddRange(first, last+1)
			continue
		}
		chunk = chunk[:0]
		for _, sequence := range sequences {
			chunk = append(chunk, uint32(sequence))
		}
		waiting.AddMany(chunk)
	}
	waiting.RunOptimize()
	return waiting.ToBytes()
}

// shown tells what a batch changed of what the room shows. What time alone has changed is
// for whoever looks at it.
func (g *gatekeeperGrain) shown(b *batch) *messages.Change {
	view := g.room.View()
	change := &messages.RoomChange{}
	for _, e := range b.events {
		switch d := e.Data.(type) {
		case waitingroom.Joined:
			if change.GetJoined() == 0 {
				change.First = d.First
			}
			change.Joined += uint64(len(d.UserIDs)) // nothing comes between the joins of a batch
		case waitingroom.Admitted:
			change.Gone = append(change.GetGone(), d.Sequences...)
			if change.GetAdmissions() == nil {
				change.Admissions = &messages.Admissions{At: millis(e.At)}
			}
			change.Admissions.Count += int64(len(d.Sequences))
		case waitingroom.Ended:
			change.Gone = append(change.GetGone(), d.Sequences...)
		}
	}
	if view == g.told && change.GetJoined() == 0 && len(change.GetGone()) == 0 {
		return nil
	}
	g.told = view
	change.View = roomViewMessage(&view)
	return &messages.Change{Of: &messages.Change_Room{Room: change}}
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
		ClaimTtl:       v.MaxPollAfter.Milliseconds(),
	}
}
