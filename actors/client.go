package actors

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
)

// Caller sends a message to whichever node owns a grain and waits for its answer. It
// asks again while the answer is "retry" or none comes, and fails with an unavailable
// refusal when it gives up.
type Caller interface {
	Call(ctx context.Context, kind string, id int64, message proto.Message) (proto.Message, error)
}

// Client is how the rest of the program talks to grains, on any node.
type Client struct {
	caller   Caller
	notifier Notifier
}

// NewClient returns a client that calls grains through a node of the cluster.
func NewClient(caller Caller, notifier Notifier) *Client {
	return &Client{caller: caller, notifier: notifier}
}

// Hold keeps a seat for an admitted user. The grain sets the time to live.
func (c *Client) Hold(ctx context.Context, scheduleID int64, op boxoffice.Operation, admission boxoffice.Admission, seatNumber int) (boxoffice.Outcome, error) {
	id, err := newID()
	if err != nil {
		return boxoffice.Outcome{}, err
	}
	return c.operate(ctx, scheduleID, &messages.Hold{
		Operation:     operationMessage(op),
		Admission:     admissionMessage(admission),
		ReservationId: id,
		SeatNumber:    int32(seatNumber),
	})
}

// Release frees a held seat.
func (c *Client) Release(ctx context.Context, scheduleID int64, op boxoffice.Operation, reservationID, userID uuid.UUID) (boxoffice.Outcome, error) {
	return c.operate(ctx, scheduleID, &messages.Release{
		Operation:     operationMessage(op),
		ReservationId: reservationID[:],
		UserId:        userID[:],
	})
}

// Pay buys a held seat.
func (c *Client) Pay(ctx context.Context, scheduleID int64, op boxoffice.Operation, reservationID, userID uuid.UUID) (boxoffice.Outcome, error) {
	id, err := newID()
	if err != nil {
		return boxoffice.Outcome{}, err
	}
	return c.operate(ctx, scheduleID, &messages.Pay{
		Operation:     operationMessage(op),
		PaymentId:     id,
		ReservationId: reservationID[:],
		UserId:        userID[:],
	})
}

// CancelSale refunds a payment and frees its seat.
func (c *Client) CancelSale(ctx context.Context, scheduleID int64, op boxoffice.Operation, paymentID, userID uuid.UUID) (boxoffice.Outcome, error) {
	return c.operate(ctx, scheduleID, &messages.CancelSale{
		Operation: operationMessage(op),
		PaymentId: paymentID[:],
		UserId:    userID[:],
	})
}

// newID returns an id for something that a command may create.
func newID() ([]byte, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make an id: %w", err)
	}
	return id[:], nil
}

func (c *Client) operate(ctx context.Context, scheduleID int64, m proto.Message) (boxoffice.Outcome, error) {
	reply, err := call[*messages.Outcome](ctx, c, boxoffice.KindSchedule, scheduleID, m)
	if err != nil {
		return boxoffice.Outcome{}, err
	}
	return outcomeOf(reply), nil
}

// SeatMap returns the seats. A nil admission is an admin's.
func (c *Client) SeatMap(ctx context.Context, scheduleID int64, admission *boxoffice.Admission) (*boxoffice.SeatMap, error) {
	m := &messages.ReadSeats{}
	if admission != nil {
		m.Admission = admissionMessage(*admission)
	}
	reply, err := call[*messages.SeatMap](ctx, c, boxoffice.KindSchedule, scheduleID, m)
	if err != nil {
		return nil, err
	}
	return seatMapOf(reply), nil
}

// Join takes a place at the end of the line, or returns the user's live one; created
// reports which.
func (c *Client) Join(ctx context.Context, scheduleID int64, userID uuid.UUID) (place boxoffice.Place, created bool, err error) {
	id, err := newID()
	if err != nil {
		return boxoffice.Place{}, false, err
	}
	reply, err := call[*messages.Place](ctx, c, boxoffice.KindGatekeeper, scheduleID,
		&messages.Join{UserId: userID[:], OperationId: id})
	if err != nil {
		return boxoffice.Place{}, false, err
	}
	return placeOf(reply), reply.GetCreated(), nil
}

// Place returns the current state of a place; its holder counts as seen. It fails with
// queue-token-expired if the place has ended.
func (c *Client) Place(ctx context.Context, scheduleID int64, ref boxoffice.PlaceRef) (boxoffice.Place, error) {
	reply, err := call[*messages.Place](ctx, c, boxoffice.KindGatekeeper, scheduleID,
		&messages.Poll{UserId: ref.UserID[:], Sequence: ref.Sequence})
	if err != nil {
		return boxoffice.Place{}, err
	}
	return placeOf(reply), nil
}

// Leave ends a place and releases what its holder holds unpaid. It can always be repeated:
// if it fails between its two steps, repeating it finishes the rest. The place may have
// been admitted without its holder knowing.
func (c *Client) Leave(ctx context.Context, scheduleID int64, ref boxoffice.PlaceRef) error {
	id, err := newID()
	if err != nil {
		return err
	}
	end := &messages.EndPlace{
		Operation: &messages.Operation{Id: id},
		UserId:    ref.UserID[:],
		Sequence:  ref.Sequence,
		EndsAt:    millis(ref.EndsAt),
	}
	admitted := end.GetEndsAt() != 0
	if admitted { // the seat is free before the next in line is let in
		if _, err := c.operate(ctx, scheduleID, end); err != nil {
			return err
		}
	}
	left, err := call[*messages.Left](ctx, c, boxoffice.KindGatekeeper, scheduleID,
		&messages.Leave{UserId: ref.UserID[:], Sequence: ref.Sequence})
	if err != nil || admitted || left.GetWasWaiting() {
		return err
	}
	end.EndsAt = left.GetEndsAt()
	_, err = c.operate(ctx, scheduleID, end)
	return err
}

// QueueStatus returns the public view of a waiting room.
func (c *Client) QueueStatus(ctx context.Context, scheduleID int64) (boxoffice.QueueStatus, error) {
	return c.queue(ctx, scheduleID, &messages.ReadQueue{})
}

// ConfigureQueue changes a waiting room's settings; they are in force when it returns.
func (c *Client) ConfigureQueue(ctx context.Context, scheduleID int64, cmd boxoffice.Configure) (boxoffice.QueueStatus, error) {
	return c.queue(ctx, scheduleID, configureMessage(cmd))
}

func (c *Client) queue(ctx context.Context, scheduleID int64, m proto.Message) (boxoffice.QueueStatus, error) {
	reply, err := call[*messages.QueueStatus](ctx, c, boxoffice.KindGatekeeper, scheduleID, m)
	if err != nil {
		return boxoffice.QueueStatus{}, err
	}
	return queueStatusOf(reply), nil
}

// Ask sends a message to a grain and returns its answer. A refusal is returned as an error.
func (c *Client) Ask(ctx context.Context, kind boxoffice.Kind, id int64, m proto.Message) (proto.Message, error) {
	return call[proto.Message](ctx, c, kind, id, m)
}

// call asks a grain and returns its answer, a T, or the refusal as an error.
func call[T proto.Message](ctx context.Context, c *Client, kind boxoffice.Kind, id int64, m proto.Message) (T, error) {
	var none T
	reply, err := c.caller.Call(ctx, string(kind), id, m)
	if err != nil {
		return none, err
	}
	switch reply := reply.(type) {
	case *messages.Refusal:
		return none, refusalOf(reply)
	case T:
		return reply, nil
	default:
		return none, fmt.Errorf("%s %d answered %T with %T", kind, id, m, reply)
	}
}
