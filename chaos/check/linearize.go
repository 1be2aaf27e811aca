package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Partition is one thing whose history was searched for a linearization.
type Partition struct {
	Name       string
	Model      porcupine.Model
	Operations []porcupine.Operation
	Result     porcupine.CheckResult
}

// linearize checks every claim and every account until patience is over. now returns the
// time.
func linearize(s steps, effects []Effect, limits Limits, now func() time.Time) []Partition {
	partitions := claimPartitions("seat", s.seats, limits)
	partitions = append(partitions, claimPartitions("buyer", s.buyers, limits)...)
	for userID, movements := range accountMovements(effects) {
		p := Partition{Name: fmt.Sprintf("account of %s", userID), Model: accountModel()}
		for _, m := range movements {
			p.Operations = append(p.Operations, operation(m, m.call, m.end))
		}
		partitions = append(partitions, p)
	}
	slices.SortFunc(partitions, func(a, b Partition) int { return cmp.Compare(a.Name, b.Name) })
	deadline := now().Add(limits.Patience)
	for i := range partitions {
		p := &partitions[i]
		p.Result = porcupine.Unknown
		if left := deadline.Sub(now()); left > 0 {
			p.Result = porcupine.CheckOperationsTimeout(p.Model, p.Operations, left)
		}
	}
	return partitions
}

func claimPartitions[ID interface {
	comparable
	fmt.Stringer
}](what string, claims map[ID][]step, limits Limits) []Partition {
	var partitions []Partition
	for _, id := range slices.Collect(maps.Keys(claims)) {
		p := Partition{Name: what + ": " + id.String(), Model: claimModel(limits.Epsilon)}
		for _, s := range claims[id] {
			p.Operations = append(p.Operations, operation(s, s.call, s.end))
		}
		partitions = append(partitions, p)
	}
	return partitions
}

func operation(input any, call, end time.Duration) porcupine.Operation {
	return porcupine.Operation{Input: input, Call: int64(call), Return: int64(end)}
}

// violationsOf names the partitions that have no linearization, or none that was found
// in time, with the operations around the place where the search got stuck.
func violationsOf(partitions []Partition) []Violation {
	var violations []Violation
	for _, p := range partitions {
		switch p.Result {
		case porcupine.Ok:
		case porcupine.Illegal:
			violations = append(violations, Violation{
				Check: "linearizability", Detail: p.Name + " has no order of its operations that explains their answers",
				Operations: stuck(p),
			})
		case porcupine.Unknown:
			violations = append(violations, Violation{
				Check: "linearizability", Detail: p.Name + " could not be checked in time",
			})
		}
	}
	return violations
}

// stuck returns the first operations that no linearization got past: the ones that are
// missing from the longest partial linearization, up to where it ends.
func stuck(p Partition) []int {
	const most = 8
	_, info := porcupine.CheckOperationsVerbose(p.Model, p.Operations, time.Minute)
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, partial := range partition {
			if len(partial) > len(longest) {
				longest = partial
			}
		}
	}
	done := make(map[*Effect]bool, len(longest))
	for _, op := range longest {
		done[effectOfInput(op.Input)] = true
	}
	missing := slices.Clone(p.Operations)
	missing = slices.DeleteFunc(missing, func(op porcupine.Operation) bool { return done[effectOfInput(op.Input)] })
	slices.SortFunc(missing, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var numbers []int
	if len(longest) > 0 {
		numbers = append(numbers, effectOfInput(longest[len(longest)-1].Input).Operations...)
	}
	for _, op := range missing[:min(len(missing), most)] {
		numbers = append(numbers, effectOfInput(op.Input).Operations...)
	}
	return numbers
}

func effectOfInput(input any) *Effect {
	switch input := input.(type) {
	case step:
		return input.effect
	case movement:
		return input.effect
	default:
		panic(fmt.Sprintf("chaos: %T is no input of a model", input))
	}
}
