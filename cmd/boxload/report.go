package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept in microseconds, up to longest, with three digits.
const (
	longest = int64(60 * time.Second / time.Microsecond)
	digits  = 3
)

// report is what a scenario measured.
type report struct {
	Scenario        string       `json:"scenario"`
	Connections     int          `json:"connections"`
	StartedAt       time.Time    `json:"startedAt"` // of the scenario, after its preparation
	EndedAt         time.Time    `json:"endedAt"`
	Seconds         float64      `json:"seconds"`
	Answers         int64        `json:"answers"`
	AnswersPerSec   float64      `json:"answersPerSecond"`
	Booked          int64        `json:"booked"`
	BookedPerSec    float64      `json:"bookedPerSecond"`
	Held            int64        `json:"held,omitempty"` // stampede: seats that were given
	Shed            int64        `json:"shed"`           // 503
	Operations      []*operation `json:"operations"`
	VerifiedSold    int64        `json:"verifiedSold"` // seats that are sold, as the service shows them
	recorders       []*recorder
	recordersAccess sync.Mutex
}

// operation is what was measured of one kind of request.
type operation struct {
	Name     string        `json:"name"`
	Answers  int64         `json:"answers"`
	Statuses map[int]int64 `json:"statuses"`
	P50      float64       `json:"p50Milliseconds"`
	P90      float64       `json:"p90Milliseconds"`
	P99      float64       `json:"p99Milliseconds"`
	Max      float64       `json:"maxMilliseconds"`
	times    *hdrhistogram.Histogram
}

// recorder is one connection's share of a report; not safe for concurrent use.
type recorder struct {
	operations map[string]*operation
	booked     int64
	intended   time.Time // when the next request should have started; zero: now
	bar        *bar
	unshown    int // answers that the bar does not know of yet
}

// showEvery is how many answers the bar is told of at once: it is shared.
const showEvery = 64

func newReport(o options) *report { return &report{Scenario: o.scenario, Connections: o.connections} }

func (r *report) begin() { r.StartedAt = time.Now() }

func (r *report) recorder(b *bar) *recorder {
	r.recordersAccess.Lock()
	defer r.recordersAccess.Unlock()
	recorder := &recorder{operations: map[string]*operation{}, bar: b}
	r.recorders = append(r.recorders, recorder)
	return recorder
}

func newOperation(name string) *operation {
	return &operation{Name: name, Statuses: map[int]int64{}, times: hdrhistogram.New(1, longest, digits)}
}

func (r *recorder) record(what string, status int, took time.Duration) {
	o := r.operations[what]
	if o == nil {
		o = newOperation(what)
		r.operations[what] = o
	}
	o.Statuses[status]++
	_ = o.times.RecordValue(min(max(took.Microseconds(), 1), longest)) // in range
	if r.unshown++; r.unshown == showEvery {
		r.bar.add(r.unshown)
		r.unshown = 0
	}
}

// end adds up what the connections recorded.
func (r *report) end() {
	r.EndedAt = time.Now()
	r.Seconds = r.EndedAt.Sub(r.StartedAt).Seconds()
	sums := map[string]*operation{}
	for _, recorder := range r.recorders {
		r.Booked += recorder.booked
		for name, o := range recorder.operations {
			sum := sums[name]
			if sum == nil {
				sum = newOperation(name)
				sums[name] = sum
			}
			sum.times.Merge(o.times)
			for status, n := range o.Statuses {
				sum.Statuses[status] += n
			}
		}
	}
	ms := func(us int64) float64 { return float64(us) / 1000 }
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		o := sums[name]
		o.Answers = o.times.TotalCount()
		o.P50, o.P90 = ms(o.times.ValueAtPercentile(50)), ms(o.times.ValueAtPercentile(90))
		o.P99, o.Max = ms(o.times.ValueAtPercentile(99)), ms(o.times.Max())
		r.Answers += o.Answers
		r.Shed += o.Statuses[503]
		r.Operations = append(r.Operations, o)
	}
	r.AnswersPerSec = float64(r.Answers) / r.Seconds
	r.BookedPerSec = float64(r.Booked) / r.Seconds
}

func (r *report) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func (r *report) writeText(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s with %d connections for %.2f s: %.0f answers/s", r.Scenario, r.Connections, r.Seconds, r.AnswersPerSec)
	if r.Booked > 0 {
		fmt.Fprintf(w, ", %.0f bookings/s (%d booked, %d sold as the service shows it)", r.BookedPerSec, r.Booked, r.VerifiedSold)
	}
	if r.Held > 0 {
		fmt.Fprintf(w, ", %d seats given", r.Held)
	}
	fmt.Fprintf(w, "\n\n")
	fmt.Fprintln(table, "operation\tanswers\tp50 ms\tp90 ms\tp99 ms\tmax ms\tstatuses\t")
	for _, o := range r.Operations {
		var statuses strings.Builder
		for _, status := range slices.Sorted(maps.Keys(o.Statuses)) {
			fmt.Fprintf(&statuses, " %d×%d", o.Statuses[status], status)
		}
		fmt.Fprintf(table, "%s\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t\n", o.Name, o.Answers, o.P50, o.P90, o.P99, o.Max, statuses.String())
	}
	return table.Flush()
}
