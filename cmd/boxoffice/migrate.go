package main

import (
	"context"
	"errors"
	"fmt"

	"boxoffice/migrations"
)

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
