package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Recorder collects operations. It is safe for concurrent use.
type Recorder struct {
	start time.Time

	mu         sync.Mutex
	operations []Operation
}

// NewRecorder returns a recorder whose clock starts now.
func NewRecorder(now time.Time) *Recorder { return &Recorder{start: now} }

// Start is when the clock of the history began, with its monotonic reading.
func (r *Recorder) Start() time.Time { return r.start }

// Since is the time of the history's clock.
func (r *Recorder) Since(now time.Time) time.Duration { return now.Sub(r.start) }

// Add keeps one operation that is over.
func (r *Recorder) Add(op Operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	op.Number = len(r.operations) + 1
	r.operations = append(r.operations, op)
}

// Operations returns what was recorded until now, in order of call.
func (r *Recorder) Operations() []Operation {
	r.mu.Lock()
	operations := slices.Clone(r.operations)
	r.mu.Unlock()
	slices.SortStableFunc(operations, func(a, b Operation) int { return int(a.Call - b.Call) })
	return operations
}

// Write writes operations as lines of JSON.
func Write(w io.Writer, operations []Operation) error {
	buffered := bufio.NewWriter(w)
	encoder := json.NewEncoder(buffered)
	for i := range operations {
		if err := encoder.Encode(&operations[i]); err != nil {
			return fmt.Errorf("write operation %d: %w", operations[i].Number, err)
		}
	}
	return buffered.Flush()
}
