package waitingroom

import (
	"slices"

	"boxoffice"
)

// AppendEvents appends events to dst and merges neighbours that say the same of more
// places at the same time, so that a batch of ten thousand joins is one event. Applied
// in order, the result means what dst and events meant. It never writes into the slices
// of the events that it is given.
func AppendEvents(dst []boxoffice.Event, events ...boxoffice.Event) []boxoffice.Event {
	for _, e := range events {
		if len(dst) > 0 {
			last := &dst[len(dst)-1]
			if last.At.Equal(e.At) && last.OperationID == e.OperationID {
				if merged, ok := mergePlaces(last.Data, e.Data); ok {
					last.Data = merged
					continue
				}
			}
		}
		e.Data = clipPlaces(e.Data)
		dst = append(dst, e)
	}
	return dst
}

// mergePlaces gives the one event that says what a and then b say, if there is one.
func mergePlaces(a, b boxoffice.EventData) (boxoffice.EventData, bool) {
	switch a := a.(type) {
	case Joined:
		b, ok := b.(Joined)
		if ok = ok && a.First+uint64(len(a.UserIDs)) == b.First; ok {
			a.UserIDs = append(a.UserIDs, b.UserIDs...)
		}
		return a, ok
	case Admitted:
		b, ok := b.(Admitted)
		if ok = ok && a.EndsAt.Equal(b.EndsAt) && a.Claimed == b.Claimed; ok {
			a.Sequences = append(a.Sequences, b.Sequences...)
		}
		return a, ok
	case Claimed:
		b, ok := b.(Claimed)
		if ok {
			a.Sequences = append(a.Sequences, b.Sequences...)
		}
		return a, ok
	case Ended:
		b, ok := b.(Ended)
		if ok = ok && a.Status == b.Status; ok {
			a.Sequences = append(a.Sequences, b.Sequences...)
		}
		return a, ok
	default:
		return nil, false
	}
}

// clipPlaces makes the next append to an event's slice copy it.
func clipPlaces(data boxoffice.EventData) boxoffice.EventData {
	switch d := data.(type) {
	case Joined:
		d.UserIDs = slices.Clip(d.UserIDs)
		return d
	case Admitted:
		d.Sequences = slices.Clip(d.Sequences)
		return d
	case Claimed:
		d.Sequences = slices.Clip(d.Sequences)
		return d
	case Ended:
		d.Sequences = slices.Clip(d.Sequences)
		return d
	default:
		return data
	}
}
