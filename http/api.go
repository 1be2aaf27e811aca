package http

import (
	"fmt"
	"hash/maphash"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"boxoffice"
)

// api is the whole API: what its calls need, and what New derives from that.
type api struct {
	Config

	limit   *rateLimit
	proxies proxies

	knownUsers        *recent[uuid.UUID, struct{}]
	knownSchedules    *recent[int64, struct{}]
	knownConcerts     *recent[int64, struct{}]
	knownReservations *recent[uuid.UUID, claim]

	seenKeys     *recent[uint64, struct{}] // hashes, by keySeed
	keySeed      maphash.Seed
	encodedSeats *lru.Cache[int64, encodedSeats] // by schedule
	streams      *streams
	complaints   *complaints

	kinds      map[boxoffice.Code]problemKind
	router     *chi.Mux
	operations []*operation // that are routed
	openapi    *huma.OpenAPI
	schemas    huma.Registry
	exact      json.Options // of numbers in bodies
	document   asset
	assets     map[string]asset
}

// API is the http.Handler of all calls.
type API struct {
	http.Handler

	streams *streams
}

// Drain ends the streams, whose clients then connect to another node, and opens no more.
// Call it before the server shuts down: that waits for every answer to end, and a stream
// does not end by itself.
func (a *API) Drain() { a.streams.drain() }

// OpenStreams returns how many streams of events are open.
func (a *API) OpenStreams() int { return int(a.streams.open.Load()) }

// New returns the API. It fails only if the configuration is incomplete.
func New(config Config) (*API, error) {
	a, err := newAPI(config)
	if err != nil {
		return nil, err
	}
	if err := a.writeDocument(); err != nil {
		return nil, err
	}
	return &API{Handler: a.router, streams: a.streams}, nil
}

// newAPI returns the API without its document.
func newAPI(config Config) (*api, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &api{
		Config:  config,
		proxies: config.TrustedProxies,
		streams: newStreams(config.MaxStreams),
		keySeed: maphash.MakeSeed(),
		exact:   exactNumbers(),

		complaints: newComplaints(),
		kinds:      map[boxoffice.Code]problemKind{},

		knownUsers:        newRecent[uuid.UUID, struct{}](maxKnownUsers),
		knownSchedules:    newRecent[int64, struct{}](maxKnownSchedules),
		knownConcerts:     newRecent[int64, struct{}](maxKnownConcerts),
		knownReservations: newRecent[uuid.UUID, claim](maxKnownReservations),
		seenKeys:          newRecent[uint64, struct{}](maxSeenKeys),
	}
	if a.limit, err = newRateLimit(config.RateLimit, config.TrustedProxies); err != nil {
		return nil, err
	}
	if a.encodedSeats, err = lru.New[int64, encodedSeats](maxEncodedSeats); err != nil {
		return nil, fmt.Errorf("make the cache of seats: %w", err)
	}
	for _, kind := range problemKinds() {
		a.kinds[kind.code] = kind
	}
	a.openapi = newDocument(config.Version)
	a.schemas = a.openapi.Components.Schemas
	a.router = a.newRouter()
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
	for _, op := range a.operations {
		a.describe(op)
	}
	return a, nil
}
