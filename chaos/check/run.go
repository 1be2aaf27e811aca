package check

import (
	"fmt"
	"slices"
	"time"

	"boxoffice/chaos/history"
)

// Result is what the checks found.
type Result struct {
	Violations []Violation
	Partitions []Partition
}

// Run applies all checks to what a run left behind. now returns the time: the search for
// linearizations is bounded.
func Run(e Evidence, limits Limits, now func() time.Time) Result {
	effects, violations := Resolve(e)
	f := collectFacts(e)
	violations = append(violations, checkDurability(e, f, effects)...)
	rooms, found := replayRooms(e, f, limits)
	violations = append(violations, found...)
	violations = append(violations, checkPlaces(e, f, rooms, limits)...)
	violations = append(violations, checkSeatMaps(e, f, effects, limits)...)
	violations = append(violations, checkQueues(e, f, effects, rooms, limits)...)
	violations = append(violations, checkRefusals(e)...)
	partitions := linearize(claimSteps(f, effects), effects, limits, now)
	return Result{append(violations, violationsOf(partitions)...), partitions}
}

// checkRefusals: every refusal is one that the contract has for the request. Whether it
// was justified is for the models.
func checkRefusals(e Evidence) []Violation {
	allowed := map[history.Kind][]string{
		history.Charge:      {"balance-limit"},
		history.Join:        {"sold-out"},
		history.Place:       {"queue-token-expired"},
		history.Queue:       nil,
		history.Hold:        {"seat-taken", "already-reserved", "queue-token-expired", "not-admitted"},
		history.Seats:       {"queue-token-expired", "not-admitted"},
		history.Release:     {"already-paid"},
		history.Pay:         {"insufficient-points", "already-paid", "hold-expired"},
		history.Cancel:      {"already-cancelled"},
		history.Reservation: nil,
	}
	var violations []Violation
	for _, op := range e.Operations {
		if op.Result != history.Refused || slices.Contains(allowed[op.Kind], op.Code) ||
			op.Request.KeyReused && op.Code == "idempotency-key-reused" {
			continue
		}
		violations = append(violations, Violation{
			Check: "refusal", Detail: fmt.Sprintf("%s was refused with %d %s", op.Kind, op.Status, op.Code),
			Operations: []int{op.Number},
		})
	}
	return violations
}
