package main

import (
	"context"
	"os"
	// Venues are in time zones that bare containers know nothing of.
	_ "time/tzdata"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
