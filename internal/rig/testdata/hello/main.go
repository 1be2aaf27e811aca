// Command hello is a server that only says that it is ready.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Fprintln(os.Stderr, "hello is ready at http://127.0.0.1:1")
	<-ctx.Done()
}
