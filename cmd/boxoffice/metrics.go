package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"boxoffice"
	"boxoffice/actors"
	"boxoffice/cluster"
	"boxoffice/persistence"

	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// namespace begins the names of our own metrics.
const namespace = "boxoffice"

// metrics counts what the packages tell of themselves. Every node has a registry of its
// own; GET /metrics shows it. All methods may be called from many goroutines.
type metrics struct {
	registry *prometheus.Registry

	requests *prometheus.CounterVec   // route, method, status
	duration *prometheus.HistogramVec // route, method
	failures prometheus.Counter
	answers  *memo[answer, answerSeries]

	batches     *memo[boxoffice.Kind, prometheus.Observer] // in commands
	activations *prometheus.HistogramVec                   // kind; in seconds
	stops       *prometheus.CounterVec                     // kind, reason
	seats       *memo[string, prometheus.Counter]          // by change
	places      *memo[string, prometheus.Counter]          // by change
	holds       prometheus.Gauge
	waiting     prometheus.Gauge
	admitted    prometheus.Gauge

	calls   *memo[callResult, prometheus.Observer] // in seconds
	tries   *memo[string, prometheus.Counter]      // by kind
	beats   *prometheus.CounterVec                 // result
	members prometheus.Gauge
	evicted prometheus.Counter
	dropped *prometheus.CounterVec // queue

	commits       *prometheus.CounterVec // result
	groups        prometheus.Observer    // in commits
	groupDuration prometheus.Observer    // in seconds
	transactions  prometheus.Counter
}

func newMetrics(b build) *metrics {
	f := factory{prometheus.NewRegistry()}
	m := &metrics{
		registry: f.registry,

		requests: f.counters("http_requests_total", "Requests that were answered; streams when they have ended.", "route", "method", "status"),
		duration: f.histograms("http_request_duration_seconds", "How long answers took; of a stream, until it was open.", latencies(), "route", "method"),
		failures: f.counters("http_failures_total", "Requests that failed with a status of 500: bugs.").WithLabelValues(),

		batches:     batchSeries(f),
		activations: f.histograms("grain_activation_seconds", "How long grains took to be restored.", latencies(), "kind"),
		stops:       f.counters("grain_stops_total", "Activations that ended, and why.", "kind", "reason"),
		seats:       remember(counterOf(f.counters("seat_changes_total", "Seats that were held, released, expired, confirmed, cancelled.", "change"))),
		places:      remember(counterOf(f.counters("place_changes_total", "Places that were joined, admitted, completed, expired, left.", "change"))),
		holds:       f.gauge("holds", "Seats that are held, of schedules that live on this node."),
		waiting:     f.gauge("places_waiting", "Places that wait, of waiting rooms that live on this node."),
		admitted:    f.gauge("places_admitted", "Places that are admitted, of waiting rooms that live on this node."),

		calls:   callSeries(f),
		tries:   remember(counterOf(f.counters("grain_call_tries_total", "Tries of calls of grains.", "kind"))),
		beats:   f.counters("cluster_heartbeats_total", "Heartbeats of this node.", "result"),
		members: f.gauge("cluster_members", "Nodes that own grains, as this node knows."),
		evicted: f.counters("cluster_evictions_total", "Nodes that this node has evicted.").WithLabelValues(),
		dropped: f.counters("cluster_dropped_messages_total", "Messages that were dropped because a queue was full.", "queue"),

		commits:       f.counters("journal_commits_total", "Commits of grains, by how they ended.", "result"),
		groups:        f.histograms("journal_group_commits", "Commits that were written together.", sizes()).WithLabelValues(),
		groupDuration: f.histograms("journal_group_duration_seconds", "How long groups took to be durable.", latencies()).WithLabelValues(),
		transactions:  f.counters("journal_transactions_total", "Transactions of the journal.").WithLabelValues(),
	}
	m.answers = remember(func(a answer) answerSeries {
		return answerSeries{m.requests.WithLabelValues(a.route, a.method, strconv.Itoa(a.status)), m.duration.WithLabelValues(a.route, a.method)}
	})
	f.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	f.gaugeFunc("build_info", "1; the labels tell what is running.", prometheus.Labels{
		"version": b.version, "revision": b.revision, "go": b.goVersion,
	}, func() float64 { return 1 })
	return m
}

// handler answers GET /metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// request notes a request that was answered.
func (m *metrics) request(route, method string, status int, took time.Duration) {
	series := m.answers.of(answer{route, method, status})
	series.count.Inc()
	series.duration.Observe(took.Seconds())
	if status == http.StatusInternalServerError {
		m.failures.Inc()
	}
}

// grains gives the observer of this node's grains.
func (m *metrics) grains() actors.Observer {
	return actors.Observer{
		Batch: func(kind boxoffice.Kind, commands int) {
			m.batches.of(kind).Observe(float64(commands))
		},
		Activated: func(kind boxoffice.Kind, took time.Duration) {
			m.activations.WithLabelValues(string(kind)).Observe(took.Seconds())
		},
		Stopped: func(kind boxoffice.Kind, reason string) {
			m.stops.WithLabelValues(string(kind), reason).Inc()
		},
		Event: func(e boxoffice.Event) { m.event(e.Data) },
		Census: func(change actors.Census) {
			m.holds.Add(float64(change.Holds))
			m.waiting.Add(float64(change.Waiting))
			m.admitted.Add(float64(change.Admitted))
		},
	}
}

func (m *metrics) event(data boxoffice.EventData) {
	switch e := data.(type) {
	case seatmap.Held:
		m.seats.of("held").Inc()
	case seatmap.Released:
		m.seats.of("released").Inc()
	case seatmap.Expired:
		m.seats.of("expired").Inc()
	case seatmap.Confirmed:
		m.seats.of("confirmed").Inc()
	case seatmap.Cancelled:
		m.seats.of("cancelled").Inc()
	case waitingroom.Joined:
		m.places.of("joined").Add(float64(len(e.UserIDs)))
	case waitingroom.Admitted:
		m.places.of("admitted").Add(float64(len(e.Sequences)))
	case waitingroom.Ended:
		m.places.of(string(e.Status)).Add(float64(len(e.Sequences)))
	}
}

// group notes what became of a group of commits.
func (m *metrics) group(r persistence.GroupReport) {
	m.groups.Observe(float64(r.Commits))
	m.groupDuration.Observe(r.Duration.Seconds())
	m.transactions.Add(float64(r.Transactions))
	for result, commits := range map[string]int{
		"durable": r.Durable, "fenced": r.Fenced, "refused": r.Refused,
		"unavailable": r.Unavailable, "unknown": r.Unknown, "rejected": r.Rejected,
	} {
		m.commits.WithLabelValues(result).Add(float64(commits))
	}
}

// cluster gives the observer of this node's membership.
func (m *metrics) cluster() cluster.Observer {
	return cluster.Observer{
		Called: func(kind string, tries int, took time.Duration, err error) {
			m.calls.of(callResult{kind, resultOf(err)}).Observe(took.Seconds())
			m.tries.of(kind).Add(float64(tries))
		},
		Heartbeat: func(_ time.Duration, err error) { m.beats.WithLabelValues(resultOf(err)).Inc() },
		Members:   func(ready int) { m.members.Set(float64(ready)) },
		Evicted:   func(string) { m.evicted.Inc() },
		Dropped:   func(queue string) { m.dropped.WithLabelValues(queue).Inc() },
	}
}

func resultOf(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}

// watch shows what the database and the clock tell when they are asked.
func (m *metrics) watch(db *persistence.Database, journal *persistence.Journal, offset func() time.Duration) {
	f := factory{m.registry}
	f.gaugeFunc("journal_queue_length", "Commits that wait to be written.", nil,
		func() float64 { return float64(journal.QueueLength()) })
	f.gaugeFunc("clock_offset_seconds", "The database's clock minus this machine's.", nil,
		func() float64 { return offset().Seconds() })
	for name, stats := range map[string]func() persistence.PoolStats{
		"queries": func() persistence.PoolStats { queries, _ := db.Stats(); return queries },
		"journal": func() persistence.PoolStats { _, journal := db.Stats(); return journal },
	} {
		pool := prometheus.Labels{"pool": name}
		f.gaugeFunc("pool_connections_in_use", "Connections to PostgreSQL that are in use.", pool,
			func() float64 { return float64(stats().Acquired) })
		f.gaugeFunc("pool_connections_idle", "Connections to PostgreSQL that are open and not in use.", pool,
			func() float64 { return float64(stats().Idle) })
		f.gaugeFunc("pool_connections_max", "Most connections to PostgreSQL.", pool,
			func() float64 { return float64(stats().Max) })
		f.counterFunc("pool_waits_total", "How often somebody had to wait for a connection.", pool,
			func() float64 { return float64(stats().Waited) })
	}
}

// connections shows how many connections of clients a server has open.
func (m *metrics) connections(open func() int) {
	factory{m.registry}.gaugeFunc("http_connections", "HTTP connections that are open, streams included.", nil,
		func() float64 { return float64(open()) })
}

// streams shows how many streams of events are open.
func (m *metrics) streams(open func() int) {
	factory{m.registry}.gaugeFunc("http_streams", "Streams of events that are open.", nil,
		func() float64 { return float64(open()) })
}

// sizes are buckets for how much is done at a time, from one to a full batch of a grain.
func sizes() []float64 { return prometheus.ExponentialBuckets(1, 2, 13) }

// latencies are buckets in seconds, from an answer out of memory to a failover.
func latencies() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
}

// factory makes metrics of our namespace and registers them. A name that is there
// already is a mistake of this file and panics.
type factory struct{ registry *prometheus.Registry }

func (f factory) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.registry.MustRegister(v)
	return v
}

func (f factory) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
	}, labels)
	f.registry.MustRegister(v)
	return v
}

func (f factory) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	f.registry.MustRegister(g)
	return g
}

// gaugeFunc shows what read says at the time somebody looks.
func (f factory) gaugeFunc(name, help string, labels prometheus.Labels, read func() float64) {
	f.registry.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels}, read))
}

// counterFunc does the same for what never falls.
func (f factory) counterFunc(name, help string, labels prometheus.Labels, read func() float64) {
	f.registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels}, read))
}
