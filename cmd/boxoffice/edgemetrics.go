package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"boxoffice"
	"boxoffice/actors/edge"
)

// edge gives the observer of this node's replicas. It is told of every poll, so what it
// counts with is looked up once.
func (m *metrics) edge() edge.Observer {
	f := factory{m.registry}
	answers := f.counters("edge_answers_total",
		"Questions about seats and places in line that this node answered: from its replica, or by asking the grain.", "kind", "by")
	ages := f.histograms("edge_replica_age_seconds",
		"How old replicas were when they answered; 0 on the owner's own node.", []float64{.025, .05, .1, .25, .5, .9}, "kind")
	messages := f.counters("edge_feed_messages_total", "Messages of the feeds between nodes.", "direction")
	changes := f.counters("edge_feed_changes_total", "Changes of grains that these told.", "direction")
	gaps := f.counters("edge_feed_gaps_total", "Times that messages of a feed were missing.").WithLabelValues()
	replicas := f.gauge("edge_replicas", "Replicas of grains on this node.")

	type counters struct {
		byReplica, byGrain prometheus.Counter
		age                prometheus.Observer
	}
	of := map[boxoffice.Kind]counters{}
	for _, kind := range []boxoffice.Kind{boxoffice.KindSchedule, boxoffice.KindGatekeeper} {
		of[kind] = counters{
			byReplica: answers.WithLabelValues(string(kind), "replica"),
			byGrain:   answers.WithLabelValues(string(kind), "grain"),
			age:       ages.WithLabelValues(string(kind)),
		}
	}
	fed := func(direction string) func(int) {
		message, change := messages.WithLabelValues(direction), changes.WithLabelValues(direction)
		return func(count int) {
			message.Inc()
			change.Add(float64(count))
		}
	}
	return edge.Observer{
		Answered: func(kind boxoffice.Kind, byReplica bool, age time.Duration) {
			c := of[kind]
			if !byReplica {
				c.byGrain.Inc()
				return
			}
			c.byReplica.Inc()
			c.age.Observe(age.Seconds())
		},
		Fed:      fed("out"),
		Heard:    fed("in"),
		Gap:      gaps.Inc,
		Replicas: func(change int) { replicas.Add(float64(change)) },
	}
}
