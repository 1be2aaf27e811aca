package cluster

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/goleak"
)

// lastGoroutines is how long what a test started may take to end after it.
const lastGoroutines = 5 * time.Second

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(runChild(role))
	}
	status := m.Run()
	for end := time.Now().Add(lastGoroutines); status == 0; {
		err := goleak.Find()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.Exit(status)
}

// silent is the log of actor systems that nobody reads.
func silent(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }
