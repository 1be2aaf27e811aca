package waitingroom

import (
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Events of a [WaitingRoom].
type (
	// QueueOpened is a waiting room's first event.
	Opened struct {
		SalesOpenAt    time.Time `json:"salesOpenAt"`
		SalesCloseAt   time.Time `json:"salesCloseAt"`
		Capacity       int       `json:"capacity"`
		AdmitPerSecond int       `json:"admitPerSecond"`
	}
	// QueueConfigured replaces the room's settings.
	Configured struct {
		Capacity       int  `json:"capacity"`
		AdmitPerSecond int  `json:"admitPerSecond"`
		Paused         bool `json:"paused"`
	}
	// PlacesJoined puts users at the end of the line, in this order; the first gets
	// sequence number First, the next First+1 and so on.
	Joined struct {
		First   uint64      `json:"first"`
		UserIDs []uuid.UUID `json:"userIds"`
		// OperationIDs are the operations of the joins, parallel to UserIDs; of older
		// events there are fewer or none.
		OperationIDs []uuid.UUID `json:"operationIds,omitempty"`
	}
	// PlacesAdmitted lets places in. Claimed ones were told in the same breath (a
	// join that is admitted at once); the others must be seen within the claim TTL.
	Admitted struct {
		Sequences []uint64  `json:"sequences"`
		EndsAt    time.Time `json:"endsAt"` // At plus the admission TTL
		Claimed   bool      `json:"claimed,omitempty"`
	}
	// PlacesClaimed notes that the holders of admitted places were seen.
	Claimed struct {
		Sequences []uint64 `json:"sequences"`
	}
	// PlacesEnded ends places. The status is why the waiting room ended them; where a
	// schedule completed a place first, its row keeps that.
	Ended struct {
		Sequences []uint64              `json:"sequences"`
		Status    boxoffice.PlaceStatus `json:"status"` // completed, expired or left
	}
)

func (Opened) EventType() string     { return "queue-opened" }
func (Configured) EventType() string { return "queue-configured" }
func (Joined) EventType() string     { return "places-joined" }
func (Admitted) EventType() string   { return "places-admitted" }
func (Claimed) EventType() string    { return "places-claimed" }
func (Ended) EventType() string      { return "places-ended" }
