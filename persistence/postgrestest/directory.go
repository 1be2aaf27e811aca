package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// memoryDir is where Linux has a file system in memory, on which creating a database's
// files is much faster.
const memoryDir = "/dev/shm"

// memoryRoom is how much must be free in memoryDir, in bytes, for it to be used. (A
// container's has 64 MB unless told otherwise.)
const memoryRoom = 2 << 30

// directory is where private servers keep their files while the test process lives. A
// shell process watches over it: it reads from a pipe that only the test process writes
// to, so the end of the input is the end of the test process, however it came about.
// Then it stops what still runs there and removes the files.
type directory struct {
	disk   string // for servers that are to be durable
	memory string // for those that are to be quick; the same as disk where there is no room
	watch  *exec.Cmd
	alive  io.Closer
}

// watchScript gets the two directories. A server that does not stop within half a second is
// stopped at once.
const watchScript = `
cat >/dev/null
signal=INT
for attempt in 1 2 3 4 5 6 7 8 9 10; do
	running=
	for file in "$1"/*/data/postmaster.pid "$2"/*/data/postmaster.pid; do
		[ -f "$file" ] && read -r pid <"$file" && kill -s "$signal" "$pid" 2>/dev/null && running=yes
	done
	[ -z "$running" ] && break
	sleep 0.5
	signal=QUIT
done
rm -rf "$1" "$2"
`

func newDirectory() (_ *directory, err error) {
	d := new(directory)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make a directory for test servers: %w", err), d.removeFiles())
		}
	}()
	if d.disk, err = os.MkdirTemp("", "boxoffice-postgrestest-"); err != nil {
		return nil, err
	}
	d.memory = d.disk
	if freeSpace(memoryDir) >= memoryRoom {
		if d.memory, err = os.MkdirTemp(memoryDir, "boxoffice-postgrestest-"); err != nil {
			return nil, err
		}
	}
	d.watch = exec.CommandContext(context.Background(), "/bin/sh", "-c", watchScript, "sh", d.disk, d.memory)
	d.watch.Dir = "/"
	// A session of its own: Ctrl-C must not reach it.
	d.watch.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if d.alive, err = d.watch.StdinPipe(); err != nil {
		return nil, err
	}
	if err = d.watch.Start(); err != nil {
		return nil, err
	}
	return d, nil
}

// remove removes the files, of servers that were stopped, and ends the watch.
func (d *directory) remove() error {
	return errors.Join(d.removeFiles(), d.alive.Close(), d.watch.Wait())
}

func (d *directory) removeFiles() error {
	return errors.Join(os.RemoveAll(d.disk), os.RemoveAll(d.memory))
}

// freeSpace returns how many bytes may be written below dir; 0 if there is no such
// directory.
func freeSpace(dir string) uint64 {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0
	}
	return stat.Bavail * uint64(stat.Bsize)
}
