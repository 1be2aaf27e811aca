package system

import (
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOwnerOf(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", echo(t))
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, 7, ownerOf(conn.LocalAddr(), map[int]int{os.Getpid(): 7}))
	require.Equal(t, anyPeer, ownerOf(conn.LocalAddr(), map[int]int{os.Getppid(): 7}))
	require.Equal(t, anyPeer, ownerOf(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, map[int]int{os.Getpid(): 7}))
	require.Equal(t, anyPeer, ownerOf(&net.UnixAddr{}, nil))
}
