// Package postgrestest gives each test a real, migrated PostgreSQL database of its
// own. A package of tests says, once,
//
//	func TestMain(m *testing.M) { postgrestest.Main(m, migrations.Up) }
//
// and then, in each test that needs one,
//
//	url := postgrestest.Database(t)
//
// The first call starts one private server for the test process and migrates a template;
// each call copies the template, and the copy is dropped when the test ends. If
// BOXOFFICE_TEST_DATABASE_URL is set, its server is used instead; its user must be allowed
// to create databases.
//
// The private server does not wait for its disk (fsync is off): it loses data when it is
// killed. A test that kills or measures Postgres takes a server of its own from [Server],
// which is durable.
//
// A test without a database fails; it is never skipped. When the tests end, Main stops
// the servers, removes their files and reports leaked goroutines. When the test process
// ends in another way (panic, time-out, Ctrl-C, kill -9), a small shell process that
// waits for that does the same; databases left on a server of
// BOXOFFICE_TEST_DATABASE_URL are dropped by the next run.
package postgrestest
