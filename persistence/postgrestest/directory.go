package postgrestest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// directory is where private servers keep their files while the test process lives. A
// shell process watches over it: it reads from a pipe that only the test process writes
// to, so the end of the input is the end of the test process, however it came about.
// Then it stops what still runs there and removes the files.
type directory struct {
	path  string
	watch *exec.Cmd
	alive io.Closer
}

// watchScript gets the directory as $1. A server that does not stop within 5 seconds
// is stopped at once.
const watchScript = `
cat >/dev/null
signal=INT
for attempt in 1 2 3 4 5 6 7 8 9 10; do
	running=
	for file in "$1"/*/data/postmaster.pid; do
		[ -f "$file" ] && read -r pid <"$file" && kill -s "$signal" "$pid" 2>/dev/null && running=yes
	done
	[ -z "$running" ] && break
	sleep 0.5
	signal=QUIT
done
rm -rf "$1"
`

func newDirectory() (*directory, error) {
	path, err := os.MkdirTemp("", "boxoffice-postgrestest-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for test servers: %w", err)
	}
	watch := exec.Command("/bin/sh", "-c", watchScript, "sh", path)
	watch.Dir = "/"
	// A session of its own: Ctrl-C must not reach it.
	watch.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	alive, err := watch.StdinPipe()
	if err == nil {
		err = watch.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch over the test servers: %w", err), os.RemoveAll(path))
	}
	return &directory{path: path, watch: watch, alive: alive}, nil
}

// remove removes the files, of servers that were stopped, and ends the watch.
func (d *directory) remove() error {
	return errors.Join(os.RemoveAll(d.path), d.alive.Close(), d.watch.Wait())
}
