package mutant

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mutant is a program with one safeguard less.
type Mutant struct {
	Name  string
	Lacks string // what is gone
	// Faults show it: a list for the harness.
	Faults string
	// Check is the check that must notice; that another one does is luck.
	Check string
	Edits []Edit
}

// Edit replaces a text that a file has exactly once.
type Edit struct {
	File string // relative to the module
	Old  string
	New  string
}

// Find returns the mutant of a name.
func Find(name string) (Mutant, error) {
	all := All()
	i := slices.IndexFunc(all, func(m Mutant) bool { return m.Name == name })
	if i < 0 {
		return Mutant{}, fmt.Errorf("no mutant is called %q", name)
	}
	return all[i], nil
}

// Overlay writes the mutant's files of the module at root into dir, and a file that go
// build takes with -overlay, whose path it returns.
func (m Mutant) Overlay(root, dir string) (string, error) {
	edited := make(map[string]string)
	for _, e := range m.Edits {
		text, ok := edited[e.File]
		if !ok {
			content, err := os.ReadFile(filepath.Join(root, e.File))
			if err != nil {
				return "", fmt.Errorf("mutant %s: %w", m.Name, err)
			}
			text = string(content)
		}
		if n := strings.Count(text, e.Old); n != 1 {
			return "", fmt.Errorf("mutant %s: %s has %d times, not once, the text:\n%s", m.Name, e.File, n, e.Old)
		}
		edited[e.File] = strings.Replace(text, e.Old, e.New, 1)
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string, len(edited))
	for file, text := range edited {
		path := filepath.Join(dir, m.Name+"-"+strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("mutant %s: %w", m.Name, err)
		}
		overlay.Replace[filepath.Join(root, file)] = path
	}
	content, err := json.Marshal(overlay)
	if err != nil {
		return "", fmt.Errorf("mutant %s: %w", m.Name, err)
	}
	path := filepath.Join(dir, m.Name+".json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("mutant %s: %w", m.Name, err)
	}
	return path, nil
}
