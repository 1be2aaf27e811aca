package main

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNodeKeyIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	s := settings{DataDir: filepath.Join(t.TempDir(), "new", "data")}
	first, _, err := nodeKey(s)
	require.NoError(t, err)
	second, _, err := nodeKey(s)
	require.NoError(t, err)
	require.Equal(t, first, second)

	info, err := os.Stat(filepath.Join(s.DataDir, keyFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestNodeKeyOfTheSettingsWins(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s := settings{DataDir: t.TempDir(), JWTKey: private}
	key, _, err := nodeKey(s)
	require.NoError(t, err)
	require.Equal(t, private, key)
	require.NoFileExists(t, filepath.Join(s.DataDir, keyFile))
}

func TestNodeKeyOfSeveralStartersIsOne(t *testing.T) {
	t.Parallel()
	const starters = 32
	s := settings{DataDir: t.TempDir()}
	keys := make([]ed25519.PrivateKey, starters)
	errs := make([]error, starters)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range starters {
		all.Go(func() {
			<-begin
			keys[i], _, errs[i] = nodeKey(s)
		})
	}
	close(begin)
	all.Wait()
	for i := range starters {
		require.NoError(t, errs[i])
		require.Equal(t, keys[0], keys[i])
	}
	left, err := os.ReadDir(s.DataDir)
	require.NoError(t, err)
	require.Len(t, left, 1, "temporary files are left behind")
}

func TestNodeKeyThatIsNoneIsNotReplaced(t *testing.T) {
	t.Parallel()
	s := settings{DataDir: t.TempDir()}
	path := filepath.Join(s.DataDir, keyFile)
	require.NoError(t, os.WriteFile(path, []byte("half a ke"), 0o600))
	_, _, err := nodeKey(s)
	require.ErrorContains(t, err, path)
	require.FileExists(t, path)
}
