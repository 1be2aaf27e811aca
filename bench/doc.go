// Command bench measures boxoffice beside what it is to be compared with, on one
// machine, in one run: rowlock (stateless handlers and row locks on the same Postgres)
// and bare (constant answers). The servers take turns, A B A B …, each run with fresh
// schedules and people, so that a machine that slows down slows down both; the table
// shows medians and their ratios.
//
//	go run ./bench                    # everything, three rounds
//	go run ./bench -rounds 1 sellout  # one scenario, quickly
package main
