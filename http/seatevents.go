package http

import (
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"boxoffice"
)

// seatChangeJSON is the data of an event.
type seatChangeJSON struct {
	Version    int64  `json:"version"`
	SeatNumber int    `json:"seatNumber"`
	Status     string `json:"status"`
}

// lastEventHeader is the header in which a client says what it has seen of an interrupted
// stream.
const lastEventHeader = "Last-Event-Id"

func (a *api) addSeatEvents() {
	op := operation{
		method: http.MethodGet, pattern: seatsPattern + "/events", access: signedIn, guarded: true,
		id: "followSeats", tag: tagSeats, summary: "Follow the changes of the seats",
		description: "Server-sent events: `seats`, whose data is the seat map, at once; then `seat` with `version`, `seatNumber` and `status` " +
			"for each change. The ids are versions. The stream ends when the admission does, which a comment says. An admin needs no queue token.",
		params: []*huma.Param{{
			Name: "Last-Event-ID", In: "header", Description: "The last id that was seen: the changes since then follow, or the whole map if they are not known.",
			Schema: &huma.Schema{Type: huma.TypeString},
		}},
	}
	a.handleStream(op, "event: seat\nid: 8\ndata: {\"version\":8,\"seatNumber\":17,\"status\":\"held\"}\n\n", a.followSeats)
}

// followSeats streams the changes of the seats for as long as the reader may see them.
func (a *api) followSeats(w http.ResponseWriter, r *http.Request, req *request) error {
	admission := req.admission()
	seen := lastEvent(r.Header)
	news, err := a.SeatMaps.FollowSeats(r.Context(), req.scheduleID, admission, seen)
	if err != nil {
		return err
	}
	s, ok, err := a.openStream(w, req)
	if err != nil || !ok {
		return err
	}
	defer s.close()
	for failures := 0; ; {
		switch {
		case err == nil:
			failures = 0
			if seen = s.seats(news, seen); !s.flush() || !s.wait(news.Changed, guardEvery) {
				return nil
			}
		case boxoffice.CodeOf(err) == boxoffice.CodeQueueTokenExpired:
			s.stop(whyNotInside)
			return nil
		default:
			if failures++; failures == streamPatience {
				s.stop(whyNoAnswers)
				return nil
			}
			if !s.wait(nil, streamTryAgain) {
				return nil
			}
		}
		if !s.pause(seatSpacing) {
			return nil
		}
		ctx, cancel := s.ask()
		news, err = a.SeatMaps.FollowSeats(ctx, req.scheduleID, admission, seen)
		cancel()
	}
}

// seats appends what is new since version seen, and returns the version that the reader
// then has.
func (s *stream) seats(news boxoffice.SeatNews, seen int64) int64 {
	if !news.Complete || seen > news.Map.Version {
		s.event("seats", news.Map.Version, s.api.encodeSeats(news.Map).body)
		return news.Map.Version
	}
	for _, change := range news.Changes {
		s.event("seat", change.Version, encode(seatChangeJSON{change.Version, change.SeatNumber, change.Status.String()}))
	}
	return news.Map.Version
}

// lastEvent returns the version that a client saw; -1 if there is none or it is invalid.
func lastEvent(header http.Header) int64 {
	version, err := strconv.ParseInt(header.Get(lastEventHeader), 10, 64)
	if err != nil || version < 0 {
		return -1
	}
	return version
}
