package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"boxoffice/migrations"
)

func migrateCommand() command {
	return command{
		name:    "migrate",
		summary: "Bring the database of BOXOFFICE_DATABASE_URL, or the private one, up to date",
		prepare: func(*flag.FlagSet) func(context.Context, program, []string) error {
			return func(ctx context.Context, p program, args []string) error {
				if err := noArguments("migrate", args); err != nil {
					return err
				}
				s, err := loadSettings(p.environ)
				if err != nil {
					return err
				}
				return migrate(ctx, p, s)
			}
		},
	}
}

func migrate(ctx context.Context, p program, s settings) (err error) {
	database, err := openDatabase(ctx, s, newLogger(p.stderr, s))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.stop(context.WithoutCancel(ctx))) }()
	if err := migrations.Up(ctx, database.url); err != nil {
		return err
	}
	if err := migrations.Check(ctx, database.url); err != nil {
		return err
	}
	version, err := migrations.Version()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "the database is up to date: version %d\n", version)
	return err
}
