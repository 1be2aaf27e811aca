package main

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"boxoffice"
	"boxoffice/actors"
	"boxoffice/actors/edge"
	"boxoffice/cluster"
	"boxoffice/persistence"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// metrics counts what the packages report. Every node has a registry of its own; GET
// /metrics shows it. All methods may be called from many goroutines.
type metrics struct {
	registry *prometheus.Registry
	make     promauto.Factory // of metrics whose names begin with boxoffice_

	requests *prometheus.CounterVec   // route, method, status
	duration *prometheus.HistogramVec // route, method
	failures prometheus.Counter
}

func newMetrics(b build) *metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m := &metrics{registry: registry, make: promauto.With(prometheus.WrapRegistererWithPrefix("boxoffice_", registry))}
	m.requests = m.make.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total", Help: "Requests that were answered; streams when they have ended.",
	}, []string{"route", "method", "status"})
	m.duration = m.make.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "How long answers took; of a stream, until it was open.", Buckets: latencies(),
	}, []string{"route", "method"})
	m.failures = m.make.NewCounter(prometheus.CounterOpts{Name: "http_failures_total", Help: "Requests that failed with a status of 500: bugs."})
	m.make.NewGauge(prometheus.GaugeOpts{
		Name: "build_info", Help: "1; the labels tell what is running.",
		ConstLabels: prometheus.Labels{"version": b.version, "revision": b.revision, "go": runtime.Version()},
	}).Set(1)
	return m
}

// handler answers GET /metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// request notes a request that was answered.
func (m *metrics) request(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route, method).Observe(took.Seconds())
	if status == http.StatusInternalServerError {
		m.failures.Inc()
	}
}

// counters returns a counter with one label, which is shown from the start for all of the
// label's values, as 0, so that their first step is an increase.
func (m *metrics) counters(name, help, label string, values ...string) *prometheus.CounterVec {
	all := m.make.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	for _, value := range values {
		all.WithLabelValues(value)
	}
	return all
}

// grainKinds returns the kinds of grains as labels.
func grainKinds() []string {
	return []string{string(boxoffice.KindSchedule), string(boxoffice.KindGatekeeper)}
}

// grains returns the observer of this node's grains.
func (m *metrics) grains() actors.Observer {
	batches := m.make.NewHistogramVec(prometheus.HistogramOpts{
		Name: "grain_batch_commands", Help: "Commands that grains decided together; the count is the number of batches.", Buckets: sizes(),
	}, []string{"kind"})
	activations := m.make.NewHistogramVec(prometheus.HistogramOpts{Name: "grain_activation_seconds", Help: "How long grains took to be restored.", Buckets: latencies()}, []string{"kind"})
	stops := m.make.NewCounterVec(prometheus.CounterOpts{Name: "grain_stops_total", Help: "Activations that ended, and why."}, []string{"kind", "reason"})
	for _, kind := range grainKinds() {
		for _, reason := range []string{"idle", "moved", "missing", "fenced", "unavailable", "unknown", "broken", "rejected"} {
			stops.WithLabelValues(kind, reason)
		}
	}
	seats := m.counters("seat_changes_total", "Seats that were held, released, expired, confirmed, cancelled.", "change",
		"held", "released", "expired", "confirmed", "cancelled")
	places := m.counters("place_changes_total", "Places that were joined, admitted, completed, expired, left.", "change",
		"joined", "admitted", "completed", "expired", "left")
	holds := m.make.NewGauge(prometheus.GaugeOpts{Name: "holds", Help: "Seats that are held, of schedules that live on this node."})
	waiting := m.make.NewGauge(prometheus.GaugeOpts{Name: "places_waiting", Help: "Places that wait, of waiting rooms that live on this node."})
	admitted := m.make.NewGauge(prometheus.GaugeOpts{Name: "places_admitted", Help: "Places that are admitted, of waiting rooms that live on this node."})
	return actors.Observer{
		Batch: func(kind boxoffice.Kind, commands int) {
			batches.WithLabelValues(string(kind)).Observe(float64(commands))
		},
		Activated: func(kind boxoffice.Kind, took time.Duration) {
			activations.WithLabelValues(string(kind)).Observe(took.Seconds())
		},
		Stopped: func(kind boxoffice.Kind, reason string) {
			stops.WithLabelValues(string(kind), reason).Inc()
		},
		Event: func(event boxoffice.Event) {
			switch e := event.Data.(type) {
			case seatmap.Held:
				seats.WithLabelValues("held").Inc()
			case seatmap.Released:
				seats.WithLabelValues("released").Inc()
			case seatmap.Expired:
				seats.WithLabelValues("expired").Inc()
			case seatmap.Confirmed:
				seats.WithLabelValues("confirmed").Inc()
			case seatmap.Cancelled:
				seats.WithLabelValues("cancelled").Inc()
			case waitingroom.Joined:
				places.WithLabelValues("joined").Add(float64(len(e.UserIDs)))
			case waitingroom.Admitted:
				places.WithLabelValues("admitted").Add(float64(len(e.Sequences)))
			case waitingroom.Ended:
				places.WithLabelValues(string(e.Status)).Add(float64(len(e.Sequences)))
			}
		},
		Census: func(change actors.Census) {
			holds.Add(float64(change.Holds))
			waiting.Add(float64(change.Waiting))
			admitted.Add(float64(change.Admitted))
		},
	}
}

// edge returns the observer of this node's replicas.
func (m *metrics) edge() edge.Observer {
	answers := m.make.NewCounterVec(prometheus.CounterOpts{
		Name: "edge_answers_total",
		Help: "Questions about seats and places in line that this node answered: from its replica, or by asking the grain.",
	}, []string{"kind", "by"})
	ages := m.make.NewHistogramVec(prometheus.HistogramOpts{
		Name: "edge_replica_age_seconds", Help: "How old replicas were when they answered; 0 on the owner's own node.",
		Buckets: []float64{.025, .05, .1, .25, .5, .9},
	}, []string{"kind"})
	for _, kind := range grainKinds() {
		answers.WithLabelValues(kind, "grain")
		answers.WithLabelValues(kind, "replica")
	}
	messages := m.counters("edge_feed_messages_total", "Messages of the feeds between nodes.", "direction", "in", "out")
	changes := m.counters("edge_feed_changes_total", "Changes of grains that these told.", "direction", "in", "out")
	gaps := m.make.NewCounter(prometheus.CounterOpts{Name: "edge_feed_gaps_total", Help: "Times that messages of a feed were missing."})
	replicas := m.make.NewGauge(prometheus.GaugeOpts{Name: "edge_replicas", Help: "Replicas of grains on this node."})
	fed := func(direction string) func(int) {
		return func(count int) {
			messages.WithLabelValues(direction).Inc()
			changes.WithLabelValues(direction).Add(float64(count))
		}
	}
	return edge.Observer{
		Answered: func(kind boxoffice.Kind, byReplica bool, age time.Duration) {
			if !byReplica {
				answers.WithLabelValues(string(kind), "grain").Inc()
				return
			}
			answers.WithLabelValues(string(kind), "replica").Inc()
			ages.WithLabelValues(string(kind)).Observe(age.Seconds())
		},
		Fed:      fed("out"),
		Heard:    fed("in"),
		Gap:      gaps.Inc,
		Replicas: func(change int) { replicas.Add(float64(change)) },
	}
}

// groups returns the observer of groups of commits.
func (m *metrics) groups() func(persistence.GroupReport) {
	commits := m.counters("journal_commits_total", "Commits of grains, by how they ended.", "result",
		"durable", "fenced", "refused", "unavailable", "unknown", "rejected")
	sizes := m.make.NewHistogram(prometheus.HistogramOpts{Name: "journal_group_commits", Help: "Commits that were written together.", Buckets: sizes()})
	durations := m.make.NewHistogram(prometheus.HistogramOpts{Name: "journal_group_duration_seconds", Help: "How long groups took to be durable.", Buckets: latencies()})
	transactions := m.make.NewCounter(prometheus.CounterOpts{Name: "journal_transactions_total", Help: "Transactions of the journal."})
	return func(r persistence.GroupReport) {
		sizes.Observe(float64(r.Commits))
		durations.Observe(r.Duration.Seconds())
		transactions.Add(float64(r.Transactions))
		for result, n := range map[string]int{
			"durable": r.Durable, "fenced": r.Fenced, "refused": r.Refused,
			"unavailable": r.Unavailable, "unknown": r.Unknown, "rejected": r.Rejected,
		} {
			commits.WithLabelValues(result).Add(float64(n))
		}
	}
}

// cluster returns the observer of this node's membership.
func (m *metrics) cluster() cluster.Observer {
	calls := m.make.NewHistogramVec(prometheus.HistogramOpts{
		Name: "grain_call_duration_seconds", Help: "How long calls of grains took, retries included.", Buckets: latencies(),
	}, []string{"kind", "result"})
	tries := m.counters("grain_call_tries_total", "Tries of calls of grains.", "kind", grainKinds()...)
	beats := m.counters("cluster_heartbeats_total", "Heartbeats of this node.", "result", "ok", "failed")
	members := m.make.NewGauge(prometheus.GaugeOpts{Name: "cluster_members", Help: "Nodes that own grains, as this node knows."})
	evicted := m.make.NewCounter(prometheus.CounterOpts{Name: "cluster_evictions_total", Help: "Nodes that this node has evicted."})
	dropped := m.counters("cluster_dropped_messages_total", "Messages that were dropped because a queue was full.", "queue", "notifications", "publications")
	return cluster.Observer{
		Called: func(kind string, count int, took time.Duration, err error) {
			calls.WithLabelValues(kind, resultOf(err)).Observe(took.Seconds())
			tries.WithLabelValues(kind).Add(float64(count))
		},
		Heartbeat: func(_ time.Duration, err error) { beats.WithLabelValues(resultOf(err)).Inc() },
		Members:   func(ready int) { members.Set(float64(ready)) },
		Evicted:   func(string) { evicted.Inc() },
		Dropped:   func(queue string) { dropped.WithLabelValues(queue).Inc() },
	}
}

func resultOf(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}

// watch registers the metrics that are read from the database and the clock.
func (m *metrics) watch(db *persistence.Database, journal *persistence.Journal, offset func() time.Duration) {
	m.count(prometheus.GaugeOpts{Name: "journal_queue_length", Help: "Commits that wait to be written."}, journal.QueueLength)
	m.make.NewGaugeFunc(prometheus.GaugeOpts{Name: "clock_offset_seconds", Help: "The database's clock minus this machine's."}, func() float64 { return offset().Seconds() })
	for name, stats := range map[string]func() persistence.PoolStats{
		"queries": func() persistence.PoolStats { queries, _ := db.Stats(); return queries },
		"journal": func() persistence.PoolStats { _, journal := db.Stats(); return journal },
	} {
		pool := prometheus.Labels{"pool": name}
		m.make.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "pool_connections_in_use", Help: "Connections to PostgreSQL that are in use.", ConstLabels: pool,
		}, func() float64 { return float64(stats().Acquired) })
		m.make.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "pool_connections_idle", Help: "Connections to PostgreSQL that are open and not in use.", ConstLabels: pool,
		}, func() float64 { return float64(stats().Idle) })
		m.make.NewGaugeFunc(prometheus.GaugeOpts{Name: "pool_connections_max", Help: "Most connections to PostgreSQL.", ConstLabels: pool}, func() float64 { return float64(stats().Max) })
		m.make.NewCounterFunc(prometheus.CounterOpts{
			Name: "pool_waits_total", Help: "How often somebody had to wait for a connection.", ConstLabels: pool,
		}, func() float64 { return float64(stats().Waited) })
	}
}

// count registers a gauge that is read on each scrape.
func (m *metrics) count(o prometheus.GaugeOpts, count func() int) {
	m.make.NewGaugeFunc(o, func() float64 { return float64(count()) })
}

// connections shows how many connections of clients a server has open.
func (m *metrics) connections(open func() int) {
	m.count(prometheus.GaugeOpts{Name: "http_connections", Help: "HTTP connections that are open, streams included."}, open)
}

// streams shows how many streams of events are open.
func (m *metrics) streams(open func() int) {
	m.count(prometheus.GaugeOpts{Name: "http_streams", Help: "Streams of events that are open."}, open)
}

// sizes are buckets for how much is done at a time, from one to a full batch of a grain.
func sizes() []float64 { return prometheus.ExponentialBuckets(1, 2, 13) }

// latencies are buckets in seconds, from an answer out of memory to a failover.
func latencies() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
}
