package boxoffice

import "slices"

// AppendEvents appends events to dst and merges neighbours that say the same of more
// places at the same time, so that a batch of ten thousand joins is one event. Applied
// in order, the result means what dst and events meant. It never writes into the slices
// of the events that it is given.
func AppendEvents(dst []Event, events ...Event) []Event {
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
func mergePlaces(a, b EventData) (EventData, bool) {
	switch a := a.(type) {
	case PlacesJoined:
		b, ok := b.(PlacesJoined)
		if ok = ok && a.First+uint64(len(a.UserIDs)) == b.First; ok {
			a.UserIDs = append(a.UserIDs, b.UserIDs...)
		}
		return a, ok
	case PlacesAdmitted:
		b, ok := b.(PlacesAdmitted)
		if ok = ok && a.EndsAt.Equal(b.EndsAt) && a.Claimed == b.Claimed; ok {
			a.Sequences = append(a.Sequences, b.Sequences...)
		}
		return a, ok
	case PlacesClaimed:
		b, ok := b.(PlacesClaimed)
		if ok {
			a.Sequences = append(a.Sequences, b.Sequences...)
		}
		return a, ok
	case PlacesEnded:
		b, ok := b.(PlacesEnded)
		if ok = ok && a.Status == b.Status; ok {
			a.Sequences = append(a.Sequences, b.Sequences...)
		}
		return a, ok
	default:
		return nil, false
	}
}

// clipPlaces makes the next append to an event's slice copy it.
func clipPlaces(data EventData) EventData {
	switch d := data.(type) {
	case PlacesJoined:
		d.UserIDs = slices.Clip(d.UserIDs)
		return d
	case PlacesAdmitted:
		d.Sequences = slices.Clip(d.Sequences)
		return d
	case PlacesClaimed:
		d.Sequences = slices.Clip(d.Sequences)
		return d
	case PlacesEnded:
		d.Sequences = slices.Clip(d.Sequences)
		return d
	default:
		return data
	}
}
