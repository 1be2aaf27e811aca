package localpostgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// cluster is a data directory and what is needed to run it.
type cluster struct {
	dir        string // the data directory, absolute
	exists     bool   // whether data/ is there, whole
	binaries   binaries
	credential *syscall.Credential // whom to run as; nil: as this process
	logger     *slog.Logger
}

func (c cluster) dataDir() string      { return filepath.Join(c.dir, "data") }
func (c cluster) passwordFile() string { return filepath.Join(c.dir, "password") }

// openCluster inspects a data directory and decides how to run it.
func openCluster(ctx context.Context, dir string, f finder, logger *slog.Logger) (cluster, error) {
	c := cluster{dir: dir, logger: logger}
	major := 0
	version, err := os.ReadFile(filepath.Join(c.dataDir(), "PG_VERSION"))
	if err == nil {
		c.exists = true
		major, err = strconv.Atoi(strings.TrimSpace(string(version)))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return cluster{}, fmt.Errorf("read the version of its cluster: %w", err)
	}
	if c.exists {
		var info os.FileInfo
		if info, err = os.Stat(c.dataDir()); err == nil {
			owner := info.Sys().(*syscall.Stat_t)
			c.credential, err = keepUser(os.Geteuid(), owner.Uid, owner.Gid)
		}
	} else {
		c.credential, err = chooseUser(os.Geteuid())
	}
	if err != nil {
		return cluster{}, err
	}
	c.binaries, err = f.find(ctx, major)
	return c, err
}

// keepUser decides whom the server of an existing cluster runs as: its owner, always.
// nil is the user of this process.
func keepUser(self int, uid, gid uint32) (*syscall.Credential, error) {
	switch {
	case int(uid) == self && self != 0:
		return nil, nil //nolint:nilnil // this process's own
	case self == 0 && uid != 0:
		return &syscall.Credential{Uid: uid, Gid: gid}, nil
	default:
		return nil, fmt.Errorf("its cluster belongs to the user with id %d, and this is the user with id %d: run as that user, or choose another directory", uid, self)
	}
}

// chooseUser decides whom the server of a new cluster runs as; nil is the user of this
// process.
func chooseUser(self int) (*syscall.Credential, error) {
	if self != 0 {
		return nil, nil //nolint:nilnil // as above
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody to run it as")
}

// initialise creates the cluster, with its database, in data.new, and renames it when it is
// complete. An unfinished one is removed, and so is its password.
func (c cluster) initialise(ctx context.Context) error {
	c.logger.InfoContext(ctx, "making a postgres data directory", "dir", c.dir, "version", c.binaries.version)
	fresh, password := filepath.Join(c.dir, "data.new"), rand.Text()
	if err := c.stopOrphans(ctx, fresh, syscall.SIGKILL); err != nil {
		return err
	}
	err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o700), os.WriteFile(c.passwordFile(), []byte(password), 0o600))
	if err == nil && c.credential != nil {
		err = os.Chown(fresh, int(c.credential.Uid), int(c.credential.Gid))
	}
	if err != nil {
		return fmt.Errorf("make the cluster's directory: %w", err)
	}
	// No socket is listened on, so nobody is let in without the password.
	err = c.run(ctx, fresh, "", "initdb", "--username="+superuser, "--auth-host=scram-sha-256", "--auth-local=reject",
		"--encoding=UTF8", "--locale=C")
	if err != nil {
		return err
	}
	statements := "ALTER ROLE " + superuser + " PASSWORD '" + password + "'\nCREATE DATABASE " + database + "\n" // one a line
	if err := c.run(ctx, fresh, statements, "postgres", "--single", "-c", "exit_on_error=true", "postgres"); err != nil {
		return err
	}
	if err := errors.Join(syncFile(c.passwordFile()), os.Rename(fresh, c.dataDir()), syncFile(c.dir)); err != nil {
		return fmt.Errorf("finish the cluster: %w", err)
	}
	return nil
}

func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// command prepares a program of PostgreSQL that works on the cluster in dir, to be run as the
// server's user: killed when ctx ends, and sent onDeath when this process dies.
func (c cluster) command(ctx context.Context, dir string, onDeath syscall.Signal, program string, arguments ...string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.binaries.dir, program), arguments...)
	cmd.Dir = "/" // the directory of this process may not be open to the server's user
	cmd.SysProcAttr = processAttributes(c.credential, onDeath)
	if c.credential != nil {
		var err error
		if dir, err = passOpen(cmd, dir); err != nil {
			return nil, fmt.Errorf("hand the cluster to the server's user: %w", err)
		}
	}
	cmd.Env = append(serverEnvironment(), "PGDATA="+dir)
	return cmd, nil
}

// serverEnvironment returns an environment without anything that could change how PostgreSQL
// works, as libpq's variables do, and without secrets of the service.
func serverEnvironment() []string {
	return []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH")}
}

// run runs a short command to its end.
func (c cluster) run(ctx context.Context, dir, input, program string, arguments ...string) error {
	cmd, err := c.command(ctx, dir, syscall.SIGKILL, program, arguments...)
	if err != nil {
		return err
	}
	var output bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &output, &output
	ended := make(chan error, 1)
	if err = startPinned(cmd, func(err error) { ended <- err }); err == nil {
		err = <-ended
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", cmd.Path, err, strings.TrimSpace(output.String()))
	}
	return nil
}

// startPinned starts a command on a thread that lives as long as the command: the signal
// that Linux sends to a child when its parent dies is in truth sent when the thread that
// started it ends, and Go ends threads. If the command could be started, ended is called
// with its result.
func startPinned(cmd *exec.Cmd, ended func(error)) error {
	started := make(chan error)
	go func() { // ends with the command
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		for _, file := range cmd.ExtraFiles {
			_ = file.Close() // it was only passed on
		}
		started <- err
		if err == nil {
			ended(cmd.Wait())
		}
	}()
	return <-started
}

// openLog starts a new log and keeps the previous one.
func (c cluster) openLog() (*os.File, error) {
	name := filepath.Join(c.dir, "server.log")
	if err := os.Rename(name, name+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("keep the log: %w", err)
	}
	log, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return log, nil
}

// logTail returns the end of the log, or why it cannot be read.
func (c cluster) logTail() string {
	content, err := os.ReadFile(filepath.Join(c.dir, "server.log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(content[max(0, len(content)-logTailLength):]))
}

// serverArguments is the command line of the server, but for the data directory. Of two
// values for a setting the last one counts.
func serverArguments(port int, settings map[string]string) []string {
	values := []string{
		// Reachable from this machine alone, with the password.
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=",
		"max_connections=200",

		// Durable: what was acknowledged is on disk.
		"fsync=on",
		"synchronous_commit=on",
		"full_page_writes=on",

		// Suited to many small commits: few checkpoints, WAL files kept for use again. No
		// replica is ever attached, so the log holds only what recovery needs.
		"shared_buffers=256MB",
		"wal_level=minimal",
		"max_wal_senders=0",
		"min_wal_size=512MB",
		"max_wal_size=4GB",
		// Short statements gain nothing from compiling them.
		"jit=off",

		"timezone=UTC",
		"log_timezone=UTC",
		// Refused statements are the client's to report; the log is for the server's own.
		"log_min_messages=warning",
		"log_statement=none",
	}
	for name, value := range settings {
		values = append(values, name+"="+value)
	}
	var arguments []string
	for _, value := range values {
		arguments = append(arguments, "-c", value)
	}
	return arguments
}
