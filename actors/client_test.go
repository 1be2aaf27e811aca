package actors

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"boxoffice"
	"boxoffice/actors/messages"
)

// callerFunc answers calls the way a test says.
type callerFunc func(kind string, id int64, m proto.Message) (proto.Message, error)

func (f callerFunc) Call(_ context.Context, kind string, id int64, m proto.Message) (proto.Message, error) {
	return f(kind, id, m)
}

func TestLeaveReleasesTheSeatWhereOneMayBeHeld(t *testing.T) {
	t.Parallel()
	const end, leave = "*messages.EndPlace", "*messages.Leave"
	for _, c := range []struct {
		name       string
		admitted   bool
		wasWaiting bool
		want       []string
	}{
		{name: "an admitted token: the seat comes free before the slot", admitted: true, want: []string{end, leave}},
		{name: "a place that waited holds nothing", wasWaiting: true, want: []string{leave}},
		{name: "a place that was let in meanwhile, or left before", want: []string{leave, end}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			client := NewClient(callerFunc(func(_ string, _ int64, m proto.Message) (proto.Message, error) {
				switch m.(type) {
				case *messages.EndPlace:
					got = append(got, end)
					return &messages.Outcome{}, nil
				default:
					got = append(got, leave)
					return &messages.Left{WasWaiting: c.wasWaiting}, nil
				}
			}), nil)
			ref := boxoffice.PlaceRef{UserID: uuid.New(), Sequence: 9}
			if c.admitted {
				ref.EndsAt = time.UnixMilli(1)
			}
			require.NoError(t, client.Leave(t.Context(), 1, ref))
			require.Equal(t, c.want, got)
		})
	}
}

func TestClientTellsRefusalsFailuresAndNonsenseApart(t *testing.T) {
	t.Parallel()
	ask := func(reply proto.Message, err error) error {
		client := NewClient(callerFunc(func(string, int64, proto.Message) (proto.Message, error) { return reply, err }), nil)
		_, err = client.SeatMap(t.Context(), 1, nil)
		return err
	}
	require.NoError(t, ask(&messages.SeatMap{}, nil))
	require.Equal(t, boxoffice.CodeQueueTokenExpired,
		boxoffice.CodeOf(ask(&messages.Refusal{Code: string(boxoffice.CodeQueueTokenExpired)}, nil)))
	failure := errors.New("no owner")
	require.ErrorIs(t, ask(nil, boxoffice.Unavailable(failure)), failure)
	require.Equal(t, boxoffice.CodeInternal, boxoffice.CodeOf(ask(&messages.Left{}, nil)))
}

// TestMessagesCarryEverything fills every field of every message at random, and checks
// that message → domain → message loses nothing, over the wire.
func TestMessagesCarryEverything(t *testing.T) {
	t.Parallel()
	roundTrips := []func(*rapid.T){
		roundTrip(func(m *messages.Outcome) proto.Message { return outcomeMessage(outcomeOf(m)) }),
		roundTrip(func(m *messages.Operation) proto.Message { return operationMessage(operationOf(m)) }),
		roundTrip(func(m *messages.Admission) proto.Message { return admissionMessage(admissionOf(m)) }),
		roundTrip(func(m *messages.Place) proto.Message { return placeMessage(placeOf(m), m.GetCreated()) }),
		roundTrip(func(m *messages.QueueStatus) proto.Message { return queueStatusMessage(queueStatusOf(m)) }),
		roundTrip(func(m *messages.ScheduleNews) proto.Message {
			news := newsMessage(newsOf(m))
			news.LookedUp = m.GetLookedUp()
			return news
		}),
		roundTrip(func(m *messages.Configure) proto.Message { return configureMessage(configureOf(m)) }),
	}
	for _, check := range roundTrips {
		rapid.Check(t, check)
	}
}

func TestSeatMapMessageCarriesEverything(t *testing.T) {
	t.Parallel()
	seats := &boxoffice.SeatMap{ScheduleID: 4, Version: 17, Prices: new([boxoffice.SeatCount]int64)}
	for i := range seats.Statuses {
		seats.Statuses[i], seats.Prices[i] = boxoffice.SeatStatus(i%3), int64(i)*10
	}
	require.Equal(t, seats, seatMapOf(seatMapMessage(*seats)))
}

func roundTrip[T interface {
	comparable
	proto.Message
}](convert func(T) proto.Message) func(*rapid.T) {
	var zero T
	kind := zero.ProtoReflect().Type()
	return func(t *rapid.T) {
		m := kind.New()
		fill(t, m)
		withoutPoint(m)
		if refusal := m.Descriptor().Fields().ByName("refusal"); refusal != nil {
			withoutPoint(m.Mutable(refusal).Message())
			// The list of free seats belongs to one refusal.
			m.Mutable(refusal).Message().Set(
				refusal.Message().Fields().ByName("code"), protoreflect.ValueOfString(string(boxoffice.CodeSeatTaken)))
		}
		wire, err := proto.Marshal(convert(m.Interface().(T)))
		require.NoError(t, err)
		back := kind.New().Interface()
		require.NoError(t, proto.Unmarshal(wire, back))
		require.True(t, proto.Equal(m.Interface(), back), "%v\n%v", m.Interface(), back)
	}
}

// withoutPoint clears what no domain type carries: only replicas look at it.
func withoutPoint(m protoreflect.Message) {
	for _, name := range []protoreflect.Name{"view_epoch", "view_version"} {
		if field := m.Descriptor().Fields().ByName(name); field != nil {
			m.Clear(field)
		}
	}
}

// fill sets every field to something that the domain can hold.
func fill(t *rapid.T, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.IsList() && field.Kind() == protoreflect.MessageKind:
			list := m.Mutable(field).List()
			fill(t, list.AppendMutable().Message())
		case field.IsList():
			m.Mutable(field).List().Append(scalar(t, field))
		case field.Kind() == protoreflect.MessageKind:
			fill(t, m.Mutable(field).Message())
		default:
			m.Set(field, scalar(t, field))
		}
	}
}

func scalar(t *rapid.T, field protoreflect.FieldDescriptor) protoreflect.Value {
	const year = 365 * 24 * time.Hour
	switch field.Kind() {
	case protoreflect.BytesKind:
		size := 16
		if field.Name() == "digest" {
			size = 32
		}
		return protoreflect.ValueOfBytes(rapid.SliceOfN(rapid.ByteMin(1), size, size).Draw(t, string(field.Name())))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.StringN(1, 20, -1).Draw(t, string(field.Name())))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, string(field.Name())))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32Range(1, boxoffice.SeatCount).Draw(t, string(field.Name())))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64Min(1).Draw(t, string(field.Name())))
	default:
		return protoreflect.ValueOfInt64(rapid.Int64Range(1, (100*year).Milliseconds()).Draw(t, string(field.Name())))
	}
}
