package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// README blocks that begin with "```sh run" are run by a test, in their order and in one
// shell, and must print what the block after them shows.

const (
	runnable = "```sh run\n"
	fence    = "```\n"
	// blockEnd is printed after each block that is run.
	blockEnd = "--- end of block ---\n"
)

// readmeBlock is one runnable block and what the README shows below it.
type readmeBlock struct{ script, shown string }

func readmeBlocks(t *testing.T) []readmeBlock {
	t.Helper()
	content, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	var blocks []readmeBlock
	_, rest, found := strings.Cut(string(content), runnable)
	for found {
		var b readmeBlock
		b.script, rest, _ = strings.Cut(rest, fence)
		if shown, ok := strings.CutPrefix(rest, "\n```text\n"); ok {
			b.shown, _, _ = strings.Cut(shown, fence)
		}
		blocks = append(blocks, b)
		_, rest, found = strings.Cut(rest, runnable)
	}
	require.NotEmpty(t, blocks)
	return blocks
}

// TestREADMEPurchase pastes the README's purchase into a shell, against a node that was
// started as the README says but for its address.
func TestREADMEPurchase(t *testing.T) {
	t.Parallel()
	h := openHouse(t, "BOXOFFICE_DEMO=")
	blocks := readmeBlocks(t)
	var script strings.Builder
	for _, b := range blocks {
		script.WriteString(b.script + "echo '" + strings.TrimSpace(blockEnd) + "'\n")
	}
	shell := exec.CommandContext(t.Context(), "bash")
	shell.Stdin = strings.NewReader(script.String())
	shell.Env = append(os.Environ(), "API="+h.url+"/api/v1")
	printed, err := shell.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	outputs := strings.Split(string(printed), blockEnd)
	require.Len(t, outputs, len(blocks)+1, "%s", printed)
	for i, b := range blocks {
		require.Equal(t, normalise(b.shown), normalise(outputs[i]), "README block:\n%s", b.script)
	}
}

// normalise replaces what differs from one purchase to the next.
func normalise(text string) string {
	for _, volatile := range []struct{ pattern, name string }{
		{`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`, "ID"},
		{`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z`, "TIME"},
		{`eyJ[\w.-]*…?[\w.-]*`, "TOKEN"},
		{`"expiresInSeconds":\d+`, "SECONDS"},
	} {
		text = regexp.MustCompile(volatile.pattern).ReplaceAllString(text, volatile.name)
	}
	return text
}

// TestREADMECommands checks that the README begins with the two commands that all the
// other tests stand for.
func TestREADMECommands(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.Contains(t, string(content), "```sh\ngo run ./cmd/boxoffice\n```\n")
	require.Contains(t, string(content), "```sh\ngo test ./...\n```\n")
}
