package localpostgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	password   string
}

func (c cluster) dataDir() string { return filepath.Join(c.dir, "data") }

// openCluster looks at a data directory and decides how to run it.
func openCluster(ctx context.Context, dir string, finder finder) (cluster, error) {
	c := cluster{dir: dir}
	major := 0
	version, err := os.ReadFile(filepath.Join(c.dataDir(), "PG_VERSION"))
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return cluster{}, fmt.Errorf("read the version of its cluster: %w", err)
	default:
		c.exists = true
		if major, err = strconv.Atoi(strings.TrimSpace(string(version))); err != nil {
			return cluster{}, fmt.Errorf("read the version of its cluster: %w", err)
		}
	}
	if c.credential, err = c.user(); err != nil {
		return cluster{}, err
	}
	if c.binaries, err = finder.find(ctx, major); err != nil {
		return cluster{}, err
	}
	if c.password, err = readPassword(dir); errors.Is(err, os.ErrNotExist) && !c.exists {
		c.password, err = makePassword(dir)
	}
	if err != nil {
		return cluster{}, fmt.Errorf("get the password: %w", err)
	}
	return c, nil
}

func (c cluster) user() (*syscall.Credential, error) {
	if !c.exists {
		return chooseUser(os.Geteuid())
	}
	uid, gid, err := ownerOf(c.dataDir())
	if err != nil {
		return nil, err
	}
	return keepUser(os.Geteuid(), uid, gid)
}

// initialise makes the cluster. One that was begun and not finished is thrown away.
func (c cluster) initialise(ctx context.Context, logger *slog.Logger) error {
	logger.InfoContext(ctx, "making a postgres data directory", "dir", c.dir, "version", c.binaries.version)
	fresh := filepath.Join(c.dir, "data.new")
	if err := killOrphans(ctx, fresh); err != nil {
		return err
	}
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove an unfinished cluster: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("make the cluster's directory: %w", err)
	}
	if err := c.give(fresh); err != nil {
		return err
	}
	if err := c.runInitdb(ctx, fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, c.dataDir()); err != nil {
		return fmt.Errorf("finish the cluster: %w", err)
	}
	return syncDir(c.dir)
}

// runInitdb fills dir. The password travels in a file of the server's user, open to
// nobody else.
func (c cluster) runInitdb(ctx context.Context, dir string) error {
	passwordFile, err := os.CreateTemp(c.dir, "initdb-password-")
	if err != nil {
		return fmt.Errorf("pass the password: %w", err)
	}
	defer func() { _ = os.Remove(passwordFile.Name()) }() // readable by the server's user only
	defer passwordFile.Close()
	if _, err := passwordFile.WriteString(c.password + "\n"); err != nil {
		return fmt.Errorf("pass the password: %w", err)
	}
	if err := c.give(passwordFile.Name()); err != nil {
		return err
	}
	cmd, release, err := c.command(ctx, "initdb",
		[]pathArgument{{"-D", dir}, {"--pwfile=", passwordFile.Name()}},
		"--username="+superuser, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C")
	if err != nil {
		return err
	}
	defer release()
	cmd.SysProcAttr = processAttributes(c.credential, syscall.SIGKILL)
	if output, err := runCommand(cmd); ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		return fmt.Errorf("run %s: %w: %s", cmd.Path, err, strings.TrimSpace(string(output)))
	}
	return nil
}

// pathArgument is an argument that names a file or directory.
type pathArgument struct{ flag, path string }

// command prepares a program of PostgreSQL, to be run as the server's user; it is killed when ctx ends.
// release must be called when it was started.
func (c cluster) command(ctx context.Context, program string, paths []pathArgument, arguments ...string) (cmd *exec.Cmd, release func(), err error) {
	cmd = exec.CommandContext(ctx, filepath.Join(c.binaries.dir, program))
	cmd.Dir = "/" // the directory of this process may not be open to the server's user
	cmd.Env = serverEnvironment(os.Environ())
	release = func() {
		for _, file := range cmd.ExtraFiles {
			_ = file.Close() // it was only passed on
		}
	}
	for _, argument := range paths {
		name := argument.path
		if c.credential != nil {
			if name, err = pass(cmd, argument.path); err != nil {
				release()
				return nil, nil, fmt.Errorf("hand %s to the server's user: %w", argument.path, err)
			}
		}
		cmd.Args = append(cmd.Args, argument.flag+name)
	}
	cmd.Args = append(cmd.Args, arguments...)
	return cmd, release, nil
}

// give makes path the server's user's.
func (c cluster) give(path string) error {
	if c.credential == nil {
		return nil
	}
	if err := os.Chown(path, int(c.credential.Uid), int(c.credential.Gid)); err != nil {
		return fmt.Errorf("give the cluster to the user that the server runs as: %w", err)
	}
	return nil
}

// openLog begins a new log and keeps the one before.
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

// readPassword gives the superuser's password.
func readPassword(dir string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, "password"))
	return string(content), err
}

// makePassword makes it, before there is a cluster that asks for it.
func makePassword(dir string) (string, error) {
	name, password := filepath.Join(dir, "password"), rand.Text()
	file, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(password)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return "", err
	}
	return password, syncDir(dir)
}

func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// serverEnvironment is environ without what would change how the server works or
// whom it reports to.
func serverEnvironment(environ []string) []string {
	kept := slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LC_") ||
			strings.HasPrefix(name, "BOXOFFICE_") || // secrets of the service
			name == "LANG" || name == "LANGUAGE" || name == "TZ" || name == "NOTIFY_SOCKET"
	})
	return append(kept, "LC_ALL=C")
}
