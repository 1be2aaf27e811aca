//go:build race

package http

// raceSlack is what the race detector adds: it throws away what pools keep, at random.
const raceSlack = 8
