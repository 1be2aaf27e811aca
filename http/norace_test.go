//go:build !race

package http

const raceSlack = 0
