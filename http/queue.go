package http

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"boxoffice"
)

type placeJSON struct {
	Token            string                `json:"token" doc:"the newest; send it as Queue-Token"`
	ScheduleID       int64                 `json:"scheduleId"`
	UserID           uuid.UUID             `json:"userId" format:"uuid"`
	Status           boxoffice.PlaceStatus `json:"status" enum:"waiting,admitted"`
	Position         int                   `json:"position" minimum:"0" doc:"from 1 among those who wait; 0 once admitted"`
	Ahead            int                   `json:"ahead" minimum:"0" doc:"how many wait before this place"`
	Waiting          int                   `json:"waiting" minimum:"0" doc:"how many wait in total"`
	ETASeconds       *etaJSON              `json:"etaSeconds" doc:"null while there is no measured rate"`
	PollAfterMS      int64                 `json:"pollAfterMs" minimum:"0" doc:"how long to wait before asking again"`
	JoinedAt         timestamp             `json:"joinedAt"`
	AdmittedAt       *timestamp            `json:"admittedAt" nullable:"true"`
	ExpiresAt        timestamp             `json:"expiresAt"`
	ExpiresInSeconds int                   `json:"expiresInSeconds" minimum:"0"`
	SoldOut          bool                  `json:"soldOut"`
}

// etaJSON is how long a place will wait, in whole seconds.
type etaJSON struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

// Schema says that it may be null, which huma cannot express for other objects.
func (etaJSON) Schema(huma.Registry) *huma.Schema {
	seconds := &huma.Schema{Type: huma.TypeInteger, Minimum: new(0.0)}
	return &huma.Schema{
		Type: huma.TypeObject, Nullable: true, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{"min": seconds, "max": seconds},
		Required:   []string{"min", "max"},
	}
}

type queueJSON struct {
	State          boxoffice.QueueState `json:"state" enum:"open,paused,sold-out,closed"`
	Waiting        int                  `json:"waiting"`
	Admitted       int                  `json:"admitted"`
	Capacity       int                  `json:"capacity" doc:"most people admitted at a time"`
	AdmitPerSecond int                  `json:"admitPerSecond" doc:"most admissions in any second; 0 = no limit"`
	AvailableSeats int                  `json:"availableSeats"`
}

const placePattern = "/api/v1/schedules/{scheduleId}/queue-tokens/me"

func (a *api) addQueues() {
	handle(a, operation{
		method: http.MethodPost, pattern: "/api/v1/schedules/{scheduleId}/queue-tokens", access: usersOnly,
		id: "joinQueue", tag: tagQueue, summary: "Join the waiting room",
		description: "201 with a new place at the end of the line, 200 with the caller's live one. With free capacity and nobody ahead it is admitted at once.",
		status:      http.StatusCreated, repeated: http.StatusOK, headers: []string{"Location", "Retry-After"},
		refusals: []boxoffice.Code{boxoffice.CodeSoldOut, boxoffice.CodeSalesClosed, boxoffice.CodeQueueFull},
		example:  examplePlace(),
	}, a.joinQueue)
	handle(a, operation{
		method: http.MethodGet, pattern: placePattern, access: placeHolder,
		id: "getPlace", tag: tagQueue, summary: "Read a place in line",
		headers:  []string{"Retry-After"},
		refusals: []boxoffice.Code{boxoffice.CodeQueueTokenExpired},
		example:  examplePlace(),
	}, a.getPlace)
	handle(a, operation{
		method: http.MethodDelete, pattern: placePattern, access: placeHolder,
		id: "leaveQueue", tag: tagQueue, summary: "Leave the waiting room (safe to repeat)",
		status: http.StatusNoContent,
	}, a.leaveQueue)
	handle(a, operation{
		method: http.MethodGet, pattern: "/api/v1/schedules/{scheduleId}/queue", access: public,
		id: "getQueue", tag: tagQueue, summary: "Read the state of the waiting room",
		headers: []string{"Cache-Control"},
		example: exampleQueue(),
	}, a.getQueue)
}

func examplePlace() map[string]any {
	return map[string]any{
		"token": "eyJ…", "scheduleId": 1, "userId": exampleUser, "status": "waiting", "position": 128, "ahead": 127, "waiting": 940,
		"etaSeconds": map[string]any{"min": 60, "max": 95}, "pollAfterMs": 5_000,
		"joinedAt": "2026-11-21T09:02:00.000Z", "admittedAt": nil,
		"expiresAt": "2026-12-24T19:00:00.000Z", "expiresInSeconds": 2_887_080, "soldOut": false,
	}
}

func exampleQueue() map[string]any {
	return map[string]any{"state": "open", "waiting": 940, "admitted": 100, "capacity": 100, "admitPerSecond": 0, "availableSeats": 42}
}

func (a *api) joinQueue(ctx context.Context, req *request, _ none) (placeJSON, error) {
	place, created, err := a.WaitingRooms.Join(ctx, req.scheduleID, req.caller.UserID)
	if err != nil {
		return placeJSON{}, err
	}
	if created {
		req.header.Set("Location", placePath(req.scheduleID))
	} else {
		req.status = http.StatusOK
	}
	return a.tellPlace(req, place), nil
}

func (a *api) getPlace(ctx context.Context, req *request, _ none) (placeJSON, error) {
	place, err := a.WaitingRooms.Place(ctx, req.scheduleID, req.place.ref())
	if boxoffice.CodeOf(err) == boxoffice.CodeQueueTokenExpired {
		return placeJSON{}, ended{err}
	}
	if err != nil {
		return placeJSON{}, err
	}
	return a.tellPlace(req, place), nil
}

func (a *api) leaveQueue(ctx context.Context, req *request, _ none) (none, error) {
	err := a.WaitingRooms.Leave(ctx, req.scheduleID, req.place.ref())
	if boxoffice.CodeOf(err) == boxoffice.CodeQueueTokenExpired {
		err = nil // it has ended anyway
	}
	return none{}, err
}

// tellPlace returns a place as its holder sees it, and sets when to ask again if it waits.
func (a *api) tellPlace(req *request, place boxoffice.Place) placeJSON {
	rendered := a.renderPlace(req, place)
	if place.Status == boxoffice.PlaceWaiting {
		req.header.Set("Retry-After", strconv.Itoa(max(1, wholeSeconds(time.Duration(rendered.PollAfterMS)*time.Millisecond))))
	}
	return rendered
}

// renderPlace returns a place with the token that its holder sent if that is still its
// token.
func (a *api) renderPlace(req *request, place boxoffice.Place) placeJSON {
	token := req.queueToken
	if claims := claimsOf(place); token == "" || claims != req.place {
		token = a.Keys.signQueue(claims)
	}
	// The place is younger than the request.
	return renderPlace(place, token, jitter(place.PollAfter), a.Clock.Now())
}

// jitterShare is the share by which the time of the next poll varies, so that people who
// joined together do not come back together.
const jitterShare = 0.1

func jitter(d time.Duration) time.Duration {
	spread := 1 + jitterShare*(2*rand.Float64()-1)
	return time.Duration(float64(d) * spread).Truncate(time.Millisecond)
}

func renderPlace(place boxoffice.Place, token string, pollAfter time.Duration, now time.Time) placeJSON {
	rendered := placeJSON{
		Token:            token,
		ScheduleID:       place.ScheduleID,
		UserID:           place.UserID,
		Status:           place.Status,
		Position:         place.Position,
		Ahead:            max(0, place.Position-1),
		Waiting:          place.Waiting,
		PollAfterMS:      pollAfter.Milliseconds(),
		JoinedAt:         timestamp(place.JoinedAt),
		AdmittedAt:       optionalTime(place.AdmittedAt),
		ExpiresAt:        timestamp(place.ExpiresAt),
		ExpiresInSeconds: remaining(place.ExpiresAt, now),
		SoldOut:          place.SoldOut,
	}
	if place.ETAMin != 0 || place.ETAMax != 0 {
		rendered.ETASeconds = &etaJSON{Min: wholeSeconds(place.ETAMin), Max: wholeSeconds(place.ETAMax)}
	}
	return rendered
}

func (a *api) getQueue(ctx context.Context, req *request, _ none) (queueJSON, error) {
	status, err := a.Queues.QueueStatus(ctx, req.scheduleID)
	if err != nil {
		return queueJSON{}, err
	}
	req.header.Set("Cache-Control", "max-age=1")
	return renderQueue(status), nil
}

func renderQueue(status boxoffice.QueueStatus) queueJSON {
	return queueJSON{
		State:          status.State,
		Waiting:        status.Waiting,
		Admitted:       status.Admitted,
		Capacity:       status.Capacity,
		AdmitPerSecond: status.AdmitPerSecond,
		AvailableSeats: status.AvailableSeats,
	}
}
