package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"boxoffice/persistence/localpostgres"
)

// The servers.
const (
	boxoffice = "boxoffice"
	rowlock   = "rowlock"
	bare      = "bare"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second
)

// lab is a directory with the programs, and a Postgres that the servers share.
type lab struct {
	dir      string
	stderr   io.Writer
	postgres *localpostgres.Server
}

func newLab(ctx context.Context, stderr io.Writer) (*lab, error) {
	dir, err := os.MkdirTemp("", "boxoffice-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, stderr: stderr}
	for name, path := range map[string]string{
		boxoffice: "boxoffice/cmd/boxoffice",
		"boxload": "boxoffice/cmd/boxload",
		rowlock:   "boxoffice/bench/rowlock",
		bare:      "boxoffice/bench/bare",
	} {
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, name), path)
		build.Stderr = stderr
		if err := build.Run(); err != nil {
			l.close()
			return nil, fmt.Errorf("build %s: %w", name, err)
		}
	}
	l.postgres, err = localpostgres.Start(ctx, localpostgres.Config{
		DataDir: filepath.Join(dir, "postgres"),
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		l.close()
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	return l, nil
}

func (l *lab) close() {
	if l.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := l.postgres.Stop(ctx); err != nil {
			fmt.Fprintln(l.stderr, "bench: stop Postgres:", err)
		}
	}
	if err := os.RemoveAll(l.dir); err != nil {
		fmt.Fprintln(l.stderr, "bench:", err)
	}
}

// load starts a server, lets boxload loose on it, and stops it.
func (l *lab) load(ctx context.Context, server string, args []string) (result, error) {
	address, token, stop, err := l.start(ctx, server)
	if err != nil {
		return result{}, err
	}
	arguments := append([]string{"-quiet", "-json", "-addr", address, "-admin-token", token}, args...)
	boxload := exec.CommandContext(ctx, filepath.Join(l.dir, "boxload"), arguments...)
	boxload.Stderr = l.stderr
	var out bytes.Buffer
	boxload.Stdout = &out
	err = errors.Join(boxload.Run(), stop())
	if err != nil {
		return result{}, fmt.Errorf("boxload %s: %w", strings.Join(args, " "), err)
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return result{}, fmt.Errorf("read boxload's report: %w", err)
	}
	return r, nil
}

// start starts a server and waits until it says where it listens.
func (l *lab) start(ctx context.Context, server string) (address, adminToken string, stop func() error, err error) {
	var command *exec.Cmd
	adminToken = "01930000-0000-7000-8000-000000000000"
	path := filepath.Join(l.dir, server)
	switch server {
	case boxoffice:
		environment := append(os.Environ(),
			"BOXOFFICE_LISTEN=127.0.0.1:0", "BOXOFFICE_DEMO=false", "BOXOFFICE_LOG_LEVEL=warn",
			"BOXOFFICE_DATABASE_URL="+l.postgres.URL, "BOXOFFICE_DATA_DIR="+filepath.Join(l.dir, "data"))
		if err := l.once(ctx, environment, path, "migrate"); err != nil {
			return "", "", nil, err
		}
		var out bytes.Buffer
		token := exec.CommandContext(ctx, path, "token", "-role", "admin")
		token.Env, token.Stdout, token.Stderr = environment, &out, l.stderr
		if err := token.Run(); err != nil {
			return "", "", nil, fmt.Errorf("make an admin token: %w", err)
		}
		adminToken = strings.TrimSpace(out.String())
		command = exec.CommandContext(ctx, path, "serve")
		command.Env = environment
	case rowlock:
		command = exec.CommandContext(ctx, path, "-listen", "127.0.0.1:0", "-database", l.postgres.URL)
	default:
		command = exec.CommandContext(ctx, path, "-listen", "127.0.0.1:0")
	}
	address, stop, err = l.await(command)
	return address, adminToken, stop, err
}

func (l *lab) once(ctx context.Context, environment []string, path string, args ...string) error {
	command := exec.CommandContext(ctx, path, args...)
	command.Env, command.Stderr = environment, l.stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return nil
}

var listening = regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`)

// await starts a command and reads on its stderr where it listens.
func (l *lab) await(command *exec.Cmd) (address string, stop func() error, err error) {
	output, err := command.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = stopTimeout
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	found := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil && len(found) == 0 {
				found <- m[1]
			} else {
				fmt.Fprintln(l.stderr, lines.Text())
			}
		}
	}()
	stop = func() error {
		_ = command.Process.Signal(syscall.SIGTERM) // it may be gone; Wait tells
		<-drained
		return command.Wait()
	}
	select {
	case address := <-found:
		return address, stop, nil
	case <-drained:
		return "", nil, fmt.Errorf("it ended at once: %w", command.Wait())
	case <-time.After(startTimeout):
		return "", nil, errors.Join(errors.New("it did not start in time"), stop())
	}
}
