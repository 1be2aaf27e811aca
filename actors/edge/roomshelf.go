package edge

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"boxoffice/actors/messages"
)

func readRoom(id int64, answer proto.Message) (view, error) {
	state, ok := answer.(*messages.RoomState)
	if !ok {
		return nil, fmt.Errorf("%T is not the state of a waiting room", answer)
	}
	return roomOf(id, state)
}

func (r *room) take(change *messages.Change) error {
	m := change.GetRoom()
	if m == nil {
		return fmt.Errorf("%T is no change of a waiting room", change.GetOf())
	}
	return r.apply(m)
}

// succeed takes over nothing: a room has no history.
func (r *room) succeed(view) {}

// dueAt returns zero: a view computes itself what time changes of a waiting room.
func (r *room) dueAt() time.Time { return time.Time{} }
