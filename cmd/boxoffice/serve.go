package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"
)

// Bounds of a drain. What is not finished by then is cut off.
const (
	// drainLimit is for all of it, from the signal to the exit. Supervisors kill after 10 s.
	drainLimit = 9 * time.Second
	// answerLimit is for answering what was accepted.
	answerLimit = 6 * time.Second
)

// Why a node drains, among other reasons.
var (
	errToldToStop = errors.New("told to stop")
	errFenced     = errors.New("the other nodes have taken over from this one; it must be started again")
)

// serve runs a node until ctx ends or something that it cannot live without fails, and
// drains it in both cases.
func serve(ctx context.Context, p program, s settings) error {
	logger := newLogger(p.stderr, s)
	if unknown := unknownSettings(p.environ); len(unknown) > 0 {
		logger.Warn("these variables are no settings; boxoffice help lists those that are", "variables", unknown)
	}
	n := &node{settings: s, logger: logger}
	failure := n.start(ctx)
	if failure == nil {
		logReady(logger, n)
		select {
		case <-ctx.Done():
		case failure = <-n.failed:
		case failure = <-n.database.failed:
		case <-n.member.Fenced():
			failure = errFenced
		}
		logger.Info("draining", "cause", cmp.Or(failure, errToldToStop))
	}
	if ctx.Err() != nil {
		failure = nil // whatever that has interrupted
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
	defer cancel()
	err := n.life.stop(stopping)
	if failure != nil || errors.Is(err, errTooSlow) {
		return errors.Join(failure, err)
	}
	if err != nil {
		// Everything has stopped, and everything acknowledged is in Postgres: a failure to
		// say so in NATS is not a failure of this node.
		logger.Warn("stopping had its problems", "error", err)
	}
	logger.Info("stopped")
	return nil
}

// logReady writes the ready line, at whatever level is logged. Its message is the same
// in every format. It begins with what scripts look for, "ready at http://HOST:PORT ", and
// goes on with what to try next.
func logReady(logger *slog.Logger, n *node) {
	record := slog.NewRecord(time.Now(), slog.LevelInfo,
		"boxoffice is ready at "+n.url+" - try: curl "+n.url+"/api/v1/concerts or open "+n.url+"/docs; "+n.settings.advice(os.Args[0]), 0)
	record.Add("url", n.url, "member", n.member.ID)
	_ = logger.Handler().Handle(context.Background(), record) // as Logger.Info would
}

// advice says how to get an admin's token that this node accepts, and how to stop it; program
// is how it was called.
func (s settings) advice(program string) string {
	if strings.Contains(program, "/go-build") { // it is gone when go run ends
		program = "go run ./cmd/boxoffice"
	}
	token := program + " token -role admin"
	switch {
	case s.JWTKey != nil:
		token += ", with the BOXOFFICE_JWT_KEY of the nodes"
	case s.DataDir != defaultDataDir: // where the key is
		token = "BOXOFFICE_DATA_DIR=" + s.DataDir + " " + token
	}
	stop := "Ctrl-C or SIGTERM stops it"
	if s.NATSURL != "" {
		stop = "SIGTERM stops this node"
	}
	return "an admin's token: " + token + "; " + stop
}
