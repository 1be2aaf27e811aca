// Command boxload measures a boxoffice under load, by way of its public API only.
//
// It prepares what a scenario needs (users with points, schedules on sale, places in
// line), lets a number of connections loose on it, and reports what was answered how
// fast. Afterwards it checks that exactly what was sold is sold: it would be easy to be
// fast and wrong.
//
// The closed scenarios (sellout, stampede, seats, charges, polls, mixed) keep each connection
// busy: a slow server is asked less. The open one (steady) asks at a fixed rate, and
// counts latency from when a request should have started, so that a server that stalls
// is not spared the requests that it kept from being sent ("coordinated omission"). Where
// every connection is busy it cannot ask: how many should have started, and how many did,
// is in the report.
package main
