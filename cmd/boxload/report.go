package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
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
	StartedAt       time.Time    `json:"startedAt"`  // of the scenario, after its preparation
	TimeOverAt      time.Time    `json:"timeOverAt"` // what came later is not in the rates of good answers and bookings
	EndedAt         time.Time    `json:"endedAt"`
	Seconds         float64      `json:"seconds"`
	Answers         int64        `json:"answers"`
	AnswersPerSec   float64      `json:"answersPerSecond"`
	Good            int64        `json:"good"` // answers in time that did what was asked: 2xx and 304
	GoodPerSec      float64      `json:"goodPerSecond"`
	Started         int64        `json:"started,omitempty"` // mixed, steady: polls, looks and purchases
	Offered         int64        `json:"offered,omitempty"` // steady: those that should have started
	Errors          int64        `json:"errors"`            // steady: no answer, or one that should not have been
	FirstError      string       `json:"firstError,omitempty"`
	Booked          int64        `json:"booked"`
	BookedPerSec    float64      `json:"bookedPerSecond"`
	Held            int64        `json:"held,omitempty"` // stampede: seats that were given
	Shed            int64        `json:"shed"`           // 503 with Retry-After
	Operations      []*operation `json:"operations"`
	VerifiedSold    int64        `json:"verifiedSold"` // seats that are sold, as the service shows them
	recorders       []*recorder
	recordersAccess sync.Mutex
	answers         [answersParts]answers
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

// operations are kinds of requests by name.
type operations map[string]*operation

// of returns the operation of a name, a new one if there was none.
func (all operations) of(name string) *operation {
	o := all[name]
	if o == nil {
		o = &operation{Name: name, Statuses: map[int]int64{}, times: hdrhistogram.New(1, longest, digits)}
		all[name] = o
	}
	return o
}

// answersParts is the number of parts in which answers are recorded: enough that
// connections hardly wait for one another, and few because each part has a large histogram
// for each kind of request.
const answersParts = 4

// answers are those that some of the connections got.
type answers struct {
	access     sync.Mutex
	operations operations
}

func (a *answers) record(what string, status int, took time.Duration) {
	a.access.Lock()
	defer a.access.Unlock()
	o := a.operations.of(what)
	o.Statuses[status]++
	_ = o.times.RecordValue(min(max(took.Microseconds(), 1), longest)) // in range
}

// recorder is one connection's share of a report; not safe for concurrent use.
type recorder struct {
	answers    *answers  // shared
	over       time.Time // when the time is over; zero: when all is done
	good       int64     // in time
	booked     int64
	inTime     int64 // of booked
	started    int64
	errors     int64
	firstError error
	intended   time.Time // when the next request should have started; zero: now
}

func newReport(o options) *report {
	r := &report{Scenario: o.scenario, Connections: o.connections}
	for i := range r.answers {
		r.answers[i].operations = operations{}
	}
	return r
}

// begin starts the time; limit 0 is until all is done.
func (r *report) begin(limit time.Duration) {
	r.StartedAt = time.Now()
	if limit > 0 {
		r.TimeOverAt = r.StartedAt.Add(limit)
	}
}

func (r *report) recorder() *recorder {
	r.recordersAccess.Lock()
	defer r.recordersAccess.Unlock()
	recorder := &recorder{answers: &r.answers[len(r.recorders)%answersParts], over: r.TimeOverAt}
	r.recorders = append(r.recorders, recorder)
	return recorder
}

func (r *recorder) record(what string, status int, took time.Duration) {
	r.answers.record(what, status, took)
	if (status < 300 || status == http.StatusNotModified) && r.isInTime() {
		r.good++
	}
}

// isInTime reports whether the time is not over yet. In an overload the last answers come
// long after it, and must not count in its rates.
func (r *recorder) isInTime() bool { return r.over.IsZero() || time.Now().Before(r.over) }

// book counts a purchase that is paid.
func (r *recorder) book() {
	r.booked++
	if r.isInTime() {
		r.inTime++
	}
}

// fail counts something that had no good end.
func (r *recorder) fail(err error) {
	if r.errors++; r.firstError == nil {
		r.firstError = err
	}
}

// end adds up what the connections recorded.
func (r *report) end() {
	r.EndedAt = time.Now()
	r.Seconds = r.EndedAt.Sub(r.StartedAt).Seconds()
	if r.TimeOverAt.IsZero() || r.TimeOverAt.After(r.EndedAt) {
		r.TimeOverAt = r.EndedAt
	}
	sums := operations{}
	bookedInTime := int64(0)
	for _, recorder := range r.recorders {
		r.Good += recorder.good
		r.Started += recorder.started
		r.Errors += recorder.errors
		if r.FirstError == "" && recorder.firstError != nil {
			r.FirstError = recorder.firstError.Error()
		}
		r.Booked += recorder.booked
		bookedInTime += recorder.inTime
	}
	for i := range r.answers {
		for name, o := range r.answers[i].operations {
			sum := sums.of(name)
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
		r.Shed += o.Statuses[http.StatusServiceUnavailable]
		r.Operations = append(r.Operations, o)
	}
	r.AnswersPerSec = float64(r.Answers) / r.Seconds
	inTime := r.TimeOverAt.Sub(r.StartedAt).Seconds()
	r.GoodPerSec = float64(r.Good) / inTime
	r.BookedPerSec = float64(bookedInTime) / inTime
}

func (r *report) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func (r *report) writeText(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s with %d connections for %.2f s: %.0f answers/s, %.0f of them good", r.Scenario, r.Connections, r.Seconds, r.AnswersPerSec, r.GoodPerSec)
	if r.Booked > 0 {
		fmt.Fprintf(w, ", %.0f bookings/s (%d booked, %d sold as the service shows it)", r.BookedPerSec, r.Booked, r.VerifiedSold)
	}
	if r.Held > 0 {
		fmt.Fprintf(w, ", %d seats given", r.Held)
	}
	if r.Offered > 0 {
		fmt.Fprintf(w, ", %d of %d started", r.Started, r.Offered)
	}
	if r.Errors > 0 {
		fmt.Fprintf(w, ", %d errors (%s)", r.Errors, r.FirstError)
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
