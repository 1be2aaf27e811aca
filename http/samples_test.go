package http

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// sample is one right request of a call, and what it is answered with.
type sample struct {
	id      string // of the operation
	method  string
	target  string
	body    string
	admin   bool // who is calling: an admin, else the user (public calls do not look)
	arrange func(f *fixture)
	status  int
	want    string // JSON; empty: not compared
	header  map[string]string
}

const (
	concertText  = `{"concertId":3,"title":"Winter Lights","artist":"","description":"","price":12000}`
	scheduleText = `{"scheduleId":7,"concertId":3,"title":"Winter Lights","startsAt":"2026-12-21T09:00:00.000Z","endsAt":"2026-12-21T11:00:00.000Z",` +
		`"timeZone":"Asia/Seoul","salesOpenAt":"2026-11-21T09:00:00.000Z","salesCloseAt":"2026-12-21T09:00:00.000Z","totalSeats":50,"availableSeats":42,"price":12000}`
	entryText = `{"entryId":"01939d3a-5c6e-7c33-8f00-5b2f6d1c9e05","type":"charge","amount":500,"balanceAfter":700,"createdAt":"2026-11-21T09:00:00.000Z"}`
	heldText  = `{"reservationId":"01939d3a-5c6e-7c33-8f00-5b2f6d1c9e05","concertId":3,"scheduleId":7,"seatNumber":17,` +
		`"userId":"01939d3a-5c6e-7a11-8f00-5b2f6d1c9e01","status":"held","price":12000,"createdAt":"2026-11-21T08:58:00.000Z",` +
		`"expiresAt":"2026-11-21T09:03:00.000Z","expiresInSeconds":180,"paymentId":null}`
	paidText = `{"paymentId":"01939d3a-5c6e-7c33-8f00-5b2f6d1c9e05","reservationId":"01939d3a-5c6e-7c33-8f00-5b2f6d1c9e05","concertId":3,"scheduleId":7,` +
		`"seatNumber":17,"amount":12000,"balance":700,"status":"completed","startsAt":"2026-12-21T09:00:00.000Z","endsAt":"2026-12-21T11:00:00.000Z","paidAt":"2026-11-21T09:00:00.000Z"}`
	queueText = `{"state":"open","waiting":940,"admitted":100,"capacity":100,"admitPerSecond":5,"availableSeats":42}`
)

func held() boxoffice.Reservation {
	return boxoffice.Reservation{
		ID: thingID, ConcertID: knownConcert, ScheduleID: knownSchedule, SeatNumber: 17, UserID: userID,
		Status: boxoffice.ReservationHeld, Price: 12_000, CreatedAt: start.Add(-2 * time.Minute), ExpiresAt: start.Add(3 * time.Minute),
	}
}

func paid() boxoffice.Payment {
	info := scheduleInfo()
	return boxoffice.Payment{
		ID: thingID, ReservationID: thingID, ConcertID: knownConcert, ScheduleID: knownSchedule, SeatNumber: 17, UserID: userID,
		Amount: 12_000, Balance: 700, Status: boxoffice.PaymentCompleted,
		StartsAt: info.Terms.StartsAt, EndsAt: info.Terms.EndsAt, PaidAt: start,
	}
}

func refunded() boxoffice.Payment {
	payment := paid()
	payment.Status, payment.RefundedAmount, payment.CancelledAt = boxoffice.PaymentCancelled, 12_000, start
	return payment
}

func entry() boxoffice.LedgerEntry {
	return boxoffice.LedgerEntry{ID: thingID, Type: boxoffice.EntryCharge, Amount: 500, BalanceAfter: 700, CreatedAt: start}
}

func waitingPlace() boxoffice.Place {
	return boxoffice.Place{
		ScheduleID: knownSchedule, UserID: userID, Sequence: 5, Status: boxoffice.PlaceWaiting,
		Position: 128, Waiting: 940, ETAMin: 60 * time.Second, ETAMax: 94500 * time.Millisecond, PollAfter: 5 * time.Second,
		JoinedAt: start.Add(-time.Minute), ExpiresAt: start.AddDate(0, 1, 0),
	}
}

func admittedPlace() boxoffice.Place {
	return boxoffice.Place{
		ScheduleID: knownSchedule, UserID: userID, Sequence: 5, Status: boxoffice.PlaceAdmitted,
		Waiting: 940, PollAfter: 5 * time.Second, JoinedAt: start.Add(-time.Minute), AdmittedAt: start,
		ExpiresAt: start.Add(10 * time.Minute), AdmissionEndsAt: start.Add(10 * time.Minute),
	}
}

func queueStatus() boxoffice.QueueStatus {
	return boxoffice.QueueStatus{
		ScheduleID: knownSchedule, State: boxoffice.QueueOpen, Waiting: 940, Admitted: 100, Capacity: 100, AdmitPerSecond: 5, AvailableSeats: 42,
	}
}

func seatMap() *boxoffice.SeatMap {
	seats := &boxoffice.SeatMap{ScheduleID: knownSchedule, Version: 12, Prices: new([boxoffice.SeatCount]int64)}
	for i := range seats.Prices {
		seats.Prices[i] = 12_000
	}
	seats.Statuses[0] = boxoffice.SeatSold
	seats.Statuses[16] = boxoffice.SeatHeld
	return seats
}

func seatMapText() string {
	var b strings.Builder
	b.WriteString(`{"scheduleId":7,"version":12,"seats":[`)
	for i := range boxoffice.SeatCount {
		status := "available"
		switch i {
		case 0:
			status = "sold"
		case 16:
			status = "held"
		}
		fmt.Fprintf(&b, `{"seatNumber":%d,"status":%q,"price":12000},`, i+1, status)
	}
	return strings.TrimSuffix(b.String(), ",") + "]}"
}

func list(item string) string { return `{"items":[` + item + `],"next":"more"}` }

func page[T any](item T) boxoffice.Page[T] { return boxoffice.Page[T]{Items: []T{item}, Next: "more"} }

// samples has one right request of every call.
func samples() []sample {
	return append(append(userSamples(), catalogueSamples()...), append(queueSamples(), append(saleSamples(), adminSamples()...)...)...)
}

func userSamples() []sample {
	return []sample{
		{id: "registerUser", method: "POST", target: "/api/v1/users", body: `{"name":"Mina Park"}`, status: 201, arrange: func(f *fixture) {
			f.createUser = func(boxoffice.User) error { return nil }
		}},
		{
			id: "getUser", method: "GET", target: "/api/v1/users/" + userID.String(), status: 200,
			want: `{"userId":"01939d3a-5c6e-7a11-8f00-5b2f6d1c9e01","name":"Mina Park","createdAt":"2026-11-21T09:00:00.000Z"}`,
		},
		{id: "getPoints", method: "GET", target: "/api/v1/users/" + userID.String() + "/points", status: 200, want: `{"balance":0}`, arrange: func(f *fixture) {
			f.balance = func(uuid.UUID) (int64, error) { return 0, nil }
		}},
		{
			id: "chargePoints", method: "POST", target: "/api/v1/users/" + userID.String() + "/points/charges", body: `{"amount":500}`, status: 201,
			want: `{"entryId":"01939d3a-5c6e-7c33-8f00-5b2f6d1c9e05","amount":500,"balance":700}`, arrange: func(f *fixture) {
				f.charge = func(boxoffice.Operation, uuid.UUID, int64, time.Time) (boxoffice.Outcome, error) {
					return boxoffice.Outcome{At: start, Entry: new(entry())}, nil
				}
			},
		},
		{id: "listPointsHistory", method: "GET", target: "/api/v1/users/" + userID.String() + "/points/history", status: 200, want: list(entryText), arrange: func(f *fixture) {
			f.history = func(uuid.UUID, boxoffice.PageRequest) (boxoffice.Page[boxoffice.LedgerEntry], error) {
				return page(entry()), nil
			}
		}},
	}
}

func catalogueSamples() []sample {
	schedules := func(f *fixture) {
		f.schedules = func(boxoffice.ScheduleFilter, time.Time, boxoffice.PageRequest) (boxoffice.Page[boxoffice.ScheduleInfo], error) {
			return page(scheduleInfo()), nil
		}
	}
	cached := map[string]string{"Cache-Control": "public, no-cache"}
	return []sample{
		{id: "listConcerts", method: "GET", target: "/api/v1/concerts", status: 200, want: list(concertText), header: cached, arrange: func(f *fixture) {
			f.concerts = func(boxoffice.PageRequest) (boxoffice.Page[boxoffice.Concert], error) {
				return page(boxoffice.Concert{ID: knownConcert, Title: "Winter Lights", Price: 12_000}), nil
			}
		}},
		{id: "getConcert", method: "GET", target: "/api/v1/concerts/3", status: 200, want: concertText, header: cached},
		{id: "listConcertSchedules", method: "GET", target: "/api/v1/concerts/3/schedules", status: 200, want: list(scheduleText), header: cached, arrange: schedules},
		{id: "listSchedules", method: "GET", target: "/api/v1/schedules", status: 200, want: list(scheduleText), header: cached, arrange: schedules},
		{id: "getSchedule", method: "GET", target: "/api/v1/schedules/7", status: 200, want: scheduleText, header: cached},
	}
}

func queueSamples() []sample {
	return []sample{
		{id: "joinQueue", method: "POST", target: "/api/v1/schedules/7/queue-tokens", status: 201, arrange: func(f *fixture) {
			f.join = func(int64, uuid.UUID) (boxoffice.Place, bool, error) { return waitingPlace(), true, nil }
		}, header: map[string]string{"Location": "/api/v1/schedules/7/queue-tokens/me"}},
		{id: "getPlace", method: "GET", target: "/api/v1/schedules/7/queue-tokens/me", status: 200, arrange: func(f *fixture) {
			f.place = func(int64, boxoffice.PlaceRef) (boxoffice.Place, error) { return waitingPlace(), nil }
		}},
		{id: "followPlace", method: "GET", target: "/api/v1/schedules/7/queue-tokens/me/events", status: 200, arrange: func(f *fixture) {
			f.followPlace = func(int64, boxoffice.PlaceRef) (boxoffice.Place, <-chan struct{}, error) {
				return admittedPlace(), nil, nil
			}
		}},
		{id: "leaveQueue", method: "DELETE", target: "/api/v1/schedules/7/queue-tokens/me", status: 204, arrange: func(f *fixture) {
			f.leave = func(int64, boxoffice.PlaceRef) error { return nil }
		}},
		{
			id: "getQueue", method: "GET", target: "/api/v1/schedules/7/queue", status: 200, want: queueText,
			header: map[string]string{"Cache-Control": "max-age=1"}, arrange: func(f *fixture) {
				f.queueStatus = func(int64) (boxoffice.QueueStatus, error) { return queueStatus(), nil }
			},
		},
	}
}

func saleSamples() []sample {
	knowThing := func(f *fixture) {
		f.reservation = func(uuid.UUID, time.Time) (boxoffice.Reservation, error) { return held(), nil }
		f.payment = func(uuid.UUID) (boxoffice.Payment, error) { return paid(), nil }
	}
	atPayment := map[string]string{"Location": "/api/v1/payments/" + thingID.String(), idempotencyReplayedHeader: ""}
	return []sample{
		{
			id: "getSeats", method: "GET", target: "/api/v1/schedules/7/seats", status: 200, want: seatMapText(), arrange: allowSeats,
			header: map[string]string{"ETag": `"12"`, "Cache-Control": "private, no-cache"},
		},
		{id: "followSeats", method: "GET", target: "/api/v1/schedules/7/seats/events", status: 200, arrange: func(f *fixture) {
			asked := 0
			f.followSeats = func(int64, *boxoffice.Admission, int64) (boxoffice.SeatNews, error) {
				if asked++; asked%2 == 0 {
					return boxoffice.SeatNews{}, expired("over")
				}
				return boxoffice.SeatNews{Map: seatMap(), Changed: always()}, nil
			}
		}},
		{id: "holdSeat", method: "POST", target: "/api/v1/schedules/7/reservations", body: `{"seatNumber":17}`, status: 201, want: heldText, arrange: func(f *fixture) {
			allowSeats(f)
			f.hold = func(int64, holding) (boxoffice.Outcome, error) {
				return boxoffice.Outcome{At: start, Created: true, Reservation: new(held())}, nil
			}
		}, header: map[string]string{"Location": "/api/v1/reservations/" + thingID.String(), idempotencyReplayedHeader: ""}},
		{id: "getReservation", method: "GET", target: "/api/v1/reservations/" + thingID.String(), status: 200, want: heldText, arrange: knowThing},
		{id: "releaseReservation", method: "DELETE", target: "/api/v1/reservations/" + thingID.String(), status: 204, arrange: func(f *fixture) {
			knowThing(f)
			f.release = func(int64, selling) (boxoffice.Outcome, error) { return boxoffice.Outcome{At: start}, nil }
		}},
		{id: "listReservations", method: "GET", target: "/api/v1/users/" + userID.String() + "/reservations", status: 200, want: list(heldText), arrange: func(f *fixture) {
			f.reservations = func(uuid.UUID, boxoffice.ReservationStatus, time.Time, boxoffice.PageRequest) (boxoffice.Page[boxoffice.Reservation], error) {
				return page(held()), nil
			}
		}},
		{id: "pay", method: "POST", target: "/api/v1/payments", body: `{"reservationId":"` + thingID.String() + `"}`, status: 201, want: paidText, arrange: func(f *fixture) {
			knowThing(f)
			f.pay = func(int64, selling) (boxoffice.Outcome, error) {
				return boxoffice.Outcome{At: start, Created: true, Payment: new(paid())}, nil
			}
		}, header: atPayment},
		{id: "getPayment", method: "GET", target: "/api/v1/payments/" + thingID.String(), status: 200, want: paidText, arrange: knowThing},
		{id: "listPayments", method: "GET", target: "/api/v1/users/" + userID.String() + "/payments", status: 200, want: list(paidText), arrange: func(f *fixture) {
			f.payments = func(uuid.UUID, boxoffice.PageRequest) (boxoffice.Page[boxoffice.Payment], error) {
				return page(paid()), nil
			}
		}},
		{
			id: "cancelPayment", method: "POST", target: "/api/v1/payments/" + thingID.String() + "/cancellation", status: 201,
			want: strings.Replace(strings.TrimSuffix(paidText, "}"), "completed", "cancelled", 1) + `,"refundedAmount":12000,"cancelledAt":"2026-11-21T09:00:00.000Z"}`,
			arrange: func(f *fixture) {
				knowThing(f)
				f.cancelSale = func(int64, selling) (boxoffice.Outcome, error) {
					return boxoffice.Outcome{At: start, Created: true, Payment: new(refunded())}, nil
				}
			}, header: atPayment,
		},
	}
}

// always is a channel that says that something has changed.
func always() <-chan struct{} {
	changed := make(chan struct{})
	close(changed)
	return changed
}

func allowSeats(f *fixture) {
	f.seatMap = func(int64, *boxoffice.Admission) (*boxoffice.SeatMap, error) { return seatMap(), nil }
}

func adminSamples() []sample {
	return []sample{
		{
			id: "getCluster", method: "GET", target: "/api/v1/admin/cluster", admin: true, status: 200, arrange: func(f *fixture) {
				f.members = []Member{{ID: "a", Address: "10.0.0.5:9090", StartedAt: start, Ready: true}, {ID: "b", Address: "10.0.0.6:9090", StartedAt: start}}
				f.grains = []GrainCount{{Kind: "schedule", Count: 3, Member: "a"}}
			},
			want: `{"members":[{"id":"a","address":"10.0.0.5:9090","startedAt":"2026-11-21T09:00:00.000Z","ready":true},
				{"id":"b","address":"10.0.0.6:9090","startedAt":"2026-11-21T09:00:00.000Z","ready":false}],"grains":[{"kind":"schedule","count":3,"member":"a"}]}`,
		},
		{id: "createConcert", method: "POST", target: "/api/v1/admin/concerts", body: `{"title":"Winter Lights","price":12000}`, admin: true, status: 201, want: concertText, arrange: func(f *fixture) {
			f.createConcert = func(asked boxoffice.NewConcert) (boxoffice.Concert, error) {
				concert, refusal := asked.Validate()
				if refusal != nil {
					return concert, refusal
				}
				concert.ID = knownConcert
				return concert, nil
			}
		}, header: map[string]string{"Location": "/api/v1/concerts/3"}},
		{
			id: "createSchedule", method: "POST", target: "/api/v1/admin/concerts/3/schedules", admin: true, status: 201, want: scheduleText,
			body: `{"startsAt":"2026-12-21T18:00:00.0009+09:00","endsAt":"2026-12-21T11:00:00Z","timeZone":"Asia/Seoul"}`, arrange: func(f *fixture) {
				f.createSchedule = func(asked boxoffice.NewSchedule, now time.Time) (boxoffice.ScheduleInfo, error) {
					terms, _, refusal := asked.Decide(now, 12_000, boxoffice.QueueLimits{Capacity: 100})
					if refusal != nil {
						return boxoffice.ScheduleInfo{}, refusal
					}
					terms.ScheduleID = knownSchedule
					return boxoffice.ScheduleInfo{Terms: terms, Title: "Winter Lights", AvailableSeats: 42}, nil
				}
			}, header: map[string]string{"Location": "/api/v1/schedules/7"},
		},
		{id: "configureQueue", method: "PATCH", target: "/api/v1/admin/schedules/7/queue", body: `{"paused":true}`, admin: true, status: 200, want: queueText, arrange: func(f *fixture) {
			f.configureQueue = func(int64, boxoffice.Configure) (boxoffice.QueueStatus, error) { return queueStatus(), nil }
		}},
	}
}

// operationSamples has those calls of the operations that need no browser.
func operationSamples() []sample {
	ready := func(f *fixture) { f.ready = func() error { return nil } }
	return []sample{
		{id: "getLiveness", method: "GET", target: "/livez", status: 200, want: `{"status":"ok"}`},
		{id: "getReadiness", method: "GET", target: "/readyz", status: 200, want: `{"status":"ok"}`, arrange: ready},
		{id: "getKeySet", method: "GET", target: "/.well-known/jwks.json", status: 200},
		{id: "getIndex", method: "GET", target: "/", status: 200, want: `{"name":"boxoffice","docs":"/docs","openapi":"/openapi.json"}`},
		{id: "getProblem", method: "GET", target: "/problems/seat-taken", status: 200, want: `{"type":"/problems/seat-taken","code":"seat-taken","status":409,` +
			`"title":"Seat taken","meaning":"Somebody else has the seat; availableSeats lists those that are free."}`},
		{id: "getMetrics", method: "GET", target: "/metrics", status: 200},
		{id: "getDocument", method: "GET", target: "/openapi.json", status: 200},
		{id: "getDocs", method: "GET", target: "/docs", status: 200},
		{id: "getDocsAsset", method: "GET", target: "/docs/start.js", status: 200},
	}
}

// right returns the headers that make a sample's request right.
func (f *fixture) right(s sample) []option {
	options := []option{key("k-1"), f.queue(admittedClaims())}
	switch {
	case s.admin:
		return append(options, f.admin())
	case strings.HasPrefix(s.target, "/api/") && s.method == http.MethodGet && strings.Contains(s.target, "/concerts"):
		return options
	default:
		return append(options, f.as(userID))
	}
}
