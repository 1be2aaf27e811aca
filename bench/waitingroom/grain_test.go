package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice/migrations"
	"boxoffice/persistence"
	"boxoffice/persistence/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m, migrations.Up) }

// BenchmarkJoin is one durable join through the gatekeeper's mailbox, of many that come
// at once.
//
//	go test -run '^$' -bench Join -benchtime 200000x ./bench/waitingroom
func BenchmarkJoin(b *testing.B) {
	ctx := context.Background()
	db, err := persistence.Open(ctx, postgrestest.Server(b).URL, persistence.Config{QueueCapacity: 1})
	require.NoError(b, err)
	b.Cleanup(db.Close)
	id, err := newSchedule(ctx, db, 1, 0)
	require.NoError(b, err)
	b.ResetTimer()
	took, err := joinAtGrain(ctx, db, id, b.N)
	require.NoError(b, err)
	b.ReportMetric(float64(b.N)/took.Seconds(), "joins/s")
}
