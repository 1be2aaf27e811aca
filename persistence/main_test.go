package persistence_test

import (
	"testing"

	"boxoffice/migrations"
	"boxoffice/persistence/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m, migrations.Up) }
