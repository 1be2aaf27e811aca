package main

import (
	"context"
	"os"
	"strings"
)

func main() {
	// The driver reads libpq's variables (PGSERVICE, PGOPTIONS, PGSSLROOTCERT and others)
	// whatever the URL says. Only BOXOFFICE_… are settings of this program.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name) // which fails for no name that exists
		}
	}
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
