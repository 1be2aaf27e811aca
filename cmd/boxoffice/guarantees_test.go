package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice/chaos/plan"
)

// testNames are all tests of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return fs.SkipDir // of version control, and what is removed meanwhile
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		content, err := os.ReadFile(path)
		for _, found := range declared.FindAllStringSubmatch(string(content), -1) {
			names[found[1]] = true
		}
		return err
	}))
	return names
}

// TestGuaranteesNameWhatShowsThem keeps docs/guarantees.md from naming tests and faults
// that there are not, and from leaving out a fault that there is.
func TestGuaranteesNameWhatShowsThem(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/guarantees.md")
	require.NoError(t, err)
	names := testNames(t)
	cited := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, cited)
	for _, c := range cited {
		require.True(t, names[c[1]], "there is no test %s", c[1])
	}

	_, table, found := strings.Cut(string(page), "## What a client sees, fault by fault\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n### ")
	shown := make(map[plan.Kind]bool)
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) < 5 {
			continue
		}
		for _, c := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(cells[len(cells)-1], -1) {
			_, known := plan.Find(plan.Kind(c[1]))
			require.True(t, known, "there is no fault %s", c[1])
			shown[plan.Kind(c[1])] = true
		}
	}
	for _, entry := range plan.Catalogue() {
		require.True(t, shown[entry.Kind], "%s is not in the table", entry.Kind)
	}
}
