package mutant_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice/chaos/mutant"
)

// root is the module's directory.
const root = "../.."

func TestEveryMutantFits(t *testing.T) {
	t.Parallel()
	for _, m := range mutant.All() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			overlay, err := m.Overlay(root, t.TempDir())
			require.NoError(t, err)
			content, err := os.ReadFile(overlay)
			require.NoError(t, err)
			var replace struct{ Replace map[string]string }
			require.NoError(t, json.Unmarshal(content, &replace))
			require.NotEmpty(t, replace.Replace)
			for file, edited := range replace.Replace {
				_, err := parser.ParseFile(token.NewFileSet(), edited, nil, parser.SkipObjectResolution)
				require.NoError(t, err, file)
			}
		})
	}
}

func TestAnEditThatDoesNotFitIsAnError(t *testing.T) {
	t.Parallel()
	m := mutant.Mutant{Name: "stale", Edits: []mutant.Edit{{File: "go.mod", Old: "no such text"}}}
	_, err := m.Overlay(root, t.TempDir())
	require.ErrorContains(t, err, "go.mod has 0 times")
	m.Edits[0].File = "no-such-file.go"
	_, err = m.Overlay(root, t.TempDir())
	require.ErrorContains(t, err, "no-such-file.go")
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, m := range mutant.All() {
		found, err := mutant.Find(m.Name)
		require.NoError(t, err)
		require.Equal(t, m, found)
	}
	_, err := mutant.Find("ghost")
	require.ErrorContains(t, err, `no mutant is called "ghost"`)
}
