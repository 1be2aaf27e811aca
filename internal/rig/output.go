package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
)

// Output keeps what a process writes. The zero value is ready, and safe for concurrent use.
type Output struct {
	// To is written to as well; nil: nobody.
	To io.Writer

	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed at the next write; nil: nobody waits
}

// Write implements [io.Writer].
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
	if o.To != nil {
		return o.To.Write(p)
	}
	return len(p), nil
}

// String returns all that was written until now.
func (o *Output) String() string {
	text, _ := o.look()
	return text
}

func (o *Output) look() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	return o.text.String(), o.changed
}

// readyLine is what each of our servers writes to stderr when it is ready.
var readyLine = regexp.MustCompile(`ready at (\w+://[^\s"]+)\s`)

// AwaitReady waits for the ready line of a server and returns the URL in it. It fails, with
// all that was written, when ctx or the server ends before, or after [StartLimit].
func (o *Output) AwaitReady(ctx context.Context, ended <-chan struct{}) (url string, err error) {
	ctx, cancel := context.WithTimeout(ctx, StartLimit)
	defer cancel()
	found, err := o.Await(ctx, readyLine, ended)
	if err != nil {
		return "", fmt.Errorf("%w:\n%s", err, o)
	}
	return found[1], nil
}

var errEnded = errors.New("the process has ended")

// Await waits until the output matches a pattern and returns the match and its groups. It
// fails when ctx ends, or ended is closed before.
func (o *Output) Await(ctx context.Context, pattern *regexp.Regexp, ended <-chan struct{}) ([]string, error) {
	for over := false; ; {
		text, changed := o.look()
		if found := pattern.FindStringSubmatch(text); found != nil {
			return found, nil
		}
		if over {
			return nil, fmt.Errorf("wait for %q: %w", pattern, errEnded)
		}
		select {
		case <-changed:
		case <-ended:
			over = true // all that it wrote is there: look once more
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %q: %w", pattern, ctx.Err())
		}
	}
}
