package main

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"boxoffice"
)

// memo remembers the series that it made for label values: to find one by its labels costs
// eight times what counting costs, at every request. There are as many as the metric has
// series, which nobody forgets either.
type memo[K comparable, S any] struct {
	make func(K) S

	mu    sync.RWMutex
	known map[K]S
}

func remember[K comparable, S any](of func(K) S) *memo[K, S] {
	return &memo[K, S]{make: of, known: make(map[K]S)}
}

// of gives the series of a key.
func (m *memo[K, S]) of(key K) S {
	m.mu.RLock()
	series, ok := m.known[key]
	m.mu.RUnlock()
	if !ok {
		series = m.make(key) // the same one for whoever comes at the same time
		m.mu.Lock()
		m.known[key] = series
		m.mu.Unlock()
	}
	return series
}

// answer is what requests are counted by.
type answer struct {
	route, method string
	status        int
}

type answerSeries struct {
	count    prometheus.Counter
	duration prometheus.Observer // in seconds, of all statuses
}

// callResult is what calls of grains are measured by.
type callResult struct{ kind, result string }

func callSeries(f factory) *memo[callResult, prometheus.Observer] {
	calls := f.histograms("grain_call_duration_seconds",
		"How long calls of grains took, retries included.", latencies(), "kind", "result")
	return remember(func(c callResult) prometheus.Observer { return calls.WithLabelValues(c.kind, c.result) })
}

func batchSeries(f factory) *memo[boxoffice.Kind, prometheus.Observer] {
	batches := f.histograms("grain_batch_commands",
		"Commands that grains decided together; the count is the number of batches.", sizes(), "kind")
	return remember(func(kind boxoffice.Kind) prometheus.Observer { return batches.WithLabelValues(string(kind)) })
}

// counterOf gives the counters of a metric with one label.
func counterOf(counters *prometheus.CounterVec) func(value string) prometheus.Counter {
	return func(value string) prometheus.Counter { return counters.WithLabelValues(value) }
}
