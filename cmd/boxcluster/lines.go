package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// maxLine is the longest piece that is held back for its end, in bytes.
const maxLine = 64 << 10

// lines writes what several processes say, one whole line after the other.
type lines struct {
	mu sync.Mutex
	to io.Writer
}

func newLines(to io.Writer) *lines { return &lines{to: to} }

// of is for one process, whose name stands in front of each of its lines.
func (l *lines) of(name string) io.Writer { return &speaker{lines: l, name: name} }

// speaker is one process. Its writer is used by one goroutine at a time for each stream.
type speaker struct {
	lines *lines
	name  string
	held  []byte // a line that has not ended yet; guarded by lines.mu
}

// Write implements io.Writer.
func (s *speaker) Write(p []byte) (int, error) {
	s.lines.mu.Lock()
	defer s.lines.mu.Unlock()
	s.held = append(s.held, p...)
	for {
		end := bytes.IndexByte(s.held, '\n')
		if end < 0 && len(s.held) < maxLine {
			return len(p), nil
		}
		line, rest := s.held, []byte(nil)
		if end >= 0 {
			line, rest = s.held[:end], s.held[end+1:]
		}
		if _, err := fmt.Fprintf(s.lines.to, "%s | %s\n", s.name, line); err != nil {
			return 0, err
		}
		s.held = rest
	}
}
