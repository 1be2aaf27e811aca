package localpostgres

import (
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A copy of the file, as a child has it between fork and exec, does not keep the lock.
func TestReleaseWhileAChildStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := lockDir(dir)
	require.NoError(t, err)
	inherited, err := syscall.Dup(int(lock.Fd()))
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Close(inherited)) }()

	_, err = lockDir(dir)
	require.ErrorContains(t, err, "in use by process "+strconv.Itoa(os.Getpid()))
	unlock(lock)
	unlock(lock)
	again, err := lockDir(dir)
	require.NoError(t, err)
	unlock(again)
}
