package http

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"boxoffice"
)

// api is the whole API: what its calls need, and what New makes of them.
type api struct {
	log       *slog.Logger
	clock     Clock
	stopwatch func() time.Time
	observe   func(route, method string, status int, duration time.Duration)
	keys      *Keys
	health    Health
	metrics   http.Handler
	tokenTTL  time.Duration
	proxies   proxies

	users        Users
	points       Points
	catalogue    Catalogue
	organiser    Organiser
	reservations Reservations
	payments     Payments
	answers      Answers
	seats        Seats
	seatMaps     SeatMaps
	rooms        WaitingRooms
	queues       Queues
	cluster      Cluster

	knownUsers     *recent[uuid.UUID, struct{}]
	knownSchedules *recent[int64, struct{}]
	knownConcerts  *recent[int64, struct{}]

	knownReservations *recent[uuid.UUID, claim]
	seenKeys          *recent[uint64, struct{}] // hashes, by keySeed
	keySeed           maphash.Seed
	encodedSeats      *lru.Cache[int64, *encodedSeats] // by schedule
	buffers           sync.Pool                        // of *answerBuffer
	calls             sync.Pool                        // of *call
	streams           *streams
	complaints        complaints

	kinds    map[boxoffice.Code]problemKind
	router   *chi.Mux
	routings sync.Pool // of *chi.Context
	hot      map[hotKey]hotCall
	huma     huma.API
	schemas  huma.Registry

	document []byte // OpenAPI, as JSON
	assets   map[string]asset
}

// API is the handler of all calls.
type API struct {
	http.Handler

	streams *streams
}

// Drain ends the streams, whose clients then connect to another node, and opens no more.
// Call it before the server shuts down: that waits for every answer to end, and a stream
// does not end by itself.
func (a *API) Drain() { a.streams.drain() }

// OpenStreams is how many streams of events are open.
func (a *API) OpenStreams() int { return int(a.streams.open.Load()) }

// New makes the API. It fails only for a configuration that lacks something.
func New(config Config) (*API, error) {
	a, err := newAPI(config)
	if err != nil {
		return nil, err
	}
	if err := a.writeDocument(); err != nil {
		return nil, err
	}
	limit, err := newRateLimit(config.RateLimit, config.TrustedProxies)
	if err != nil {
		return nil, err
	}
	return &API{Handler: a.handler(limit), streams: a.streams}, nil
}

// newAPI makes the calls.
func newAPI(config Config) (*api, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &api{
		log: config.Log, clock: config.Clock, stopwatch: config.Stopwatch, observe: config.Observe,
		keys: config.Keys, health: config.Health, metrics: config.Metrics, tokenTTL: config.AccessTokenTTL,
		users: config.Users, points: config.Points, catalogue: config.Catalogue, organiser: config.Organiser,
		reservations: config.Reservations, payments: config.Payments, answers: config.Answers,
		seats: config.Seats, seatMaps: config.SeatMaps, rooms: config.WaitingRooms, queues: config.Queues,
		cluster: config.Cluster, proxies: config.TrustedProxies,
		kinds: map[boxoffice.Code]problemKind{}, hot: map[hotKey]hotCall{},
		routings: sync.Pool{New: func() any { return chi.NewRouteContext() }},
		buffers:  sync.Pool{New: newAnswerBuffer},
		calls:    sync.Pool{New: func() any { return new(call) }},
		streams:  newStreams(config.MaxStreams),

		knownUsers:        newRecent[uuid.UUID, struct{}](maxKnownUsers),
		knownSchedules:    newRecent[int64, struct{}](maxKnownSchedules),
		knownConcerts:     newRecent[int64, struct{}](maxKnownConcerts),
		knownReservations: newRecent[uuid.UUID, claim](maxKnownReservations),
		seenKeys:          newRecent[uint64, struct{}](maxSeenKeys),
		keySeed:           maphash.MakeSeed(),
	}
	for _, kind := range problemKinds() {
		a.kinds[kind.code] = kind
	}
	if a.encodedSeats, err = lru.New[int64, *encodedSeats](maxEncodedSeats); err != nil {
		return nil, fmt.Errorf("make the cache of seats: %w", err)
	}
	a.router = chi.NewMux()
	a.router.Use(middleware.GetHead)
	a.router.NotFound(a.notFound)
	a.router.MethodNotAllowed(a.methodNotAllowed)
	a.huma = huma.NewAPI(a.humaConfig(config.Version), humaRouter{a})
	a.schemas = a.huma.OpenAPI().Components.Schemas
	a.addUsers()
	a.addPoints()
	a.addCatalogue()
	a.addQueues()
	a.addPlaceEvents()
	a.addSeats()
	a.addSeatEvents()
	a.addReservations()
	a.addPayments()
	a.addAdmin()
	a.addOperations()
	return a, nil
}

// humaRouter is where huma puts its operations. They come through [api.serve], which has
// read the body already and tells problems in its own way.
type humaRouter struct{ *api }

func (h humaRouter) Handle(op *huma.Operation, handle func(huma.Context)) {
	rt := op.Metadata[routeMetadata].(*route)
	h.router.Method(op.Method, op.Path, h.serve(rt, func(w http.ResponseWriter, r *http.Request, _ *call) error {
		if rt.cached {
			withETag(w, r, func(w http.ResponseWriter) { handle(humaContext{humachi.NewContext(op, r, w)}) })
		} else {
			handle(humaContext{humachi.NewContext(op, r, w)})
		}
		return nil
	}))
}

func (h humaRouter) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.router.ServeHTTP(w, r) }

// routeMetadata is where an operation tells humaRouter its route.
const routeMetadata = "route"

// humaContext makes huma answer in JSON whatever a client would rather have.
type humaContext struct{ innerContext }

type innerContext = huma.Context

func (c humaContext) Header(name string) string {
	if name == "Accept" {
		return ""
	}
	return c.innerContext.Header(name)
}

func (a *api) humaConfig(version string) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    documentInfo(version),
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: securitySchemes(),
			},
			Tags: documentTags(),
		},
		Formats: map[string]huma.Format{
			"application/json": huma.DefaultJSONFormat,
			problemType:        huma.DefaultJSONFormat,
		},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{a.transformErrors},
	}
}

// transformErrors puts what huma says of wrong query parameters into a problem.
func (a *api) transformErrors(ctx huma.Context, _ string, body any) (any, error) {
	model, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	errs := make([]error, len(model.Errors))
	for i, detail := range model.Errors {
		errs[i] = detail
	}
	return a.problem(callOf(ctx.Context()), invalid(fieldErrors(errs))), nil
}

// reply is what a call answers with: a status of the operation's, and a body.
type reply[T any] struct {
	Status int
	Body   T
}

// noQuery is the input of calls without query parameters.
type noQuery struct{}

// handle adds a call that huma serves. I holds its query parameters.
func handle[I, T any](a *api, op operation, fn func(ctx context.Context, c *call, query *I) (T, error)) {
	described := a.describe(op)
	huma.Register(a.huma, described, func(ctx context.Context, query *I) (*reply[T], error) {
		c := callOf(ctx)
		body, err := fn(ctx, c, query)
		if err != nil {
			return nil, a.problem(c, err)
		}
		return &reply[T]{Status: cmp.Or(c.status, op.status), Body: body}, nil
	})
	a.complete(op)
}

// handleRaw adds a call that writes its own bytes: what a T would be encoded to.
func handleRaw[T any](a *api, op operation, fn handler) {
	described := a.describe(op)
	if op.status != http.StatusNoContent {
		described.Responses[statusText(op.status)].Content = jsonContent(schemaOf[T](a), op.example)
	}
	a.huma.OpenAPI().AddOperation(&described)
	a.addRaw(&op.route, fn)
	a.complete(op)
}
