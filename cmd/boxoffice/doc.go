// Command boxoffice is the service: it reads the settings, wires the packages together and
// manages their lifecycle.
//
//	boxoffice          run a node (serve)
//	boxoffice migrate  bring the database up to date
//	boxoffice token    print an access token
//	boxoffice help     everything else, and every setting
//
// Nothing is decided here. Postgres is authoritative for what was sold; the settings come
// from the environment only, so that a node's configuration is visible in one place.
// Without any setting the program brings its own Postgres and its own NATS server.
//
// A node is built in the reverse order of its shutdown, and every part that was started is
// stopped, whether the start succeeded or not. When a part fails, the node drains as if it
// had been signalled to stop, and exits 1: its supervisor starts it again, and what it had
// acknowledged is in Postgres.
//
// The exit status is 0 for a clean stop, 1 for a failure and 2 for bad usage or settings;
// the last two come with one line on stderr.
package main
