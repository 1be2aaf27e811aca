package localpostgres

import (
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
	inherited, err := syscall.Dup(int(lock.file.Fd()))
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Close(inherited)) }()

	_, err = lockDir(dir)
	require.ErrorAs(t, err, new(*InUseError))
	lock.release()
	lock.release()
	again, err := lockDir(dir)
	require.NoError(t, err)
	again.release()
}
