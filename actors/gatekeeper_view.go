package actors

import (
	"fmt"
	"math"

	"github.com/RoaringBitmap/roaring/v2"
	"google.golang.org/protobuf/proto"

	"boxoffice/actors/messages"
	"boxoffice/waitingroom"
)

// maxReplicatedSequence is the last sequence that replicas of a waiting room can count.
// Past it the room has no replicas, and every question goes to the grain.
const maxReplicatedSequence = math.MaxUint32

// watch returns the room without the pending batch, which is rolled back for as long as
// that takes.
func (g *gatekeeperGrain) watch(mark *messages.Mark) (proto.Message, error) {
	if b := g.pending; b != nil {
		g.room.Rollback()
		defer func() {
			g.room.Begin()
			for _, e := range b.events {
				g.room.Apply(e)
			}
		}()
	}
	waiting, err := encodeWaiting(g.room)
	if err != nil {
		return nil, err
	}
	g.told = waitingroom.View{} // others may have been told another: the next batch tells all
	view := g.room.View()
	state := &messages.RoomState{Mark: mark, View: roomViewMessage(&view), Waiting: waiting}
	for at, count := range view.Pace.Admissions() {
		state.Pace = append(state.Pace, &messages.Admissions{At: millis(at), Count: int64(count)})
	}
	return state, nil
}

// encodeWaiting returns who waits, as a Roaring bitmap in its portable format.
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

// change returns what a batch changed of what the room shows. Readers apply what time alone
// changes themselves.
func (g *gatekeeperGrain) change(b *batch) *messages.Change {
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
