package check

import (
	"io"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Visualize writes the histories of some partitions as a page: of those that have a
// violation, else of the busiest seats.
func (r Result) Visualize(w io.Writer) error {
	const most = 5
	shown := slices.Clone(r.Partitions)
	slices.SortStableFunc(shown, func(a, b Partition) int {
		if bad := rank(b) - rank(a); bad != 0 {
			return bad
		}
		return len(b.Operations) - len(a.Operations)
	})
	shown = shown[:min(len(shown), most)]
	if len(shown) == 0 {
		_, err := io.WriteString(w, "<!doctype html><title>history</title><p>No operations.</p>\n")
		return err
	}
	// One check over all of them, with a partition for each: a page shows one check.
	var all []porcupine.Operation
	for i, p := range shown {
		for _, op := range inLanes(p.Operations) {
			op.Input = shownInput{i, op.Input}
			all = append(all, op)
		}
	}
	model := combined(shown)
	const patience = 20 * time.Second
	_, info := porcupine.CheckOperationsVerbose(model, all, patience)
	return porcupine.Visualize(model, info, w)
}

func rank(p Partition) int {
	if p.Result == porcupine.Ok {
		return 0
	}
	return 1
}

// shownInput is an input of one of several partitions on one page.
type shownInput struct {
	partition int
	input     any
}

// shownState is a state of one of several partitions; before its first step it is of none.
type shownState struct {
	partition int // -1: none
	state     any
}

// combined is one model for several partitions.
func combined(partitions []Partition) porcupine.Model {
	return porcupine.Model{
		Partition: func(operations []porcupine.Operation) [][]porcupine.Operation {
			split := make([][]porcupine.Operation, len(partitions))
			for _, op := range operations {
				i := op.Input.(shownInput).partition
				split[i] = append(split[i], op)
			}
			return split
		},
		Init: func() any { return shownState{partition: -1} },
		Step: func(state, input, output any) (bool, any) {
			s, in := state.(shownState), input.(shownInput)
			model := partitions[in.partition].Model
			if s.partition < 0 {
				s = shownState{in.partition, model.Init()}
			}
			ok, next := model.Step(s.state, in.input, output)
			return ok, shownState{in.partition, next}
		},
		DescribeOperation: func(input, output any) string {
			in := input.(shownInput)
			return partitions[in.partition].Model.DescribeOperation(in.input, output)
		},
		DescribeState: func(state any) string {
			s := state.(shownState)
			if s.partition < 0 {
				return "start"
			}
			return partitions[s.partition].Name + ": " + partitions[s.partition].Model.DescribeState(s.state)
		},
	}
}

// inLanes assigns each operation a lane in which no other one overlaps it: that is what a
// page shows as a client.
func inLanes(operations []porcupine.Operation) []porcupine.Operation {
	laid := slices.Clone(operations)
	slices.SortFunc(laid, func(a, b porcupine.Operation) int { return int(min(max(a.Call-b.Call, -1), 1)) })
	var ends []int64
	for i := range laid {
		lane := slices.IndexFunc(ends, func(end int64) bool { return end < laid[i].Call })
		if lane < 0 {
			lane = len(ends)
			ends = append(ends, 0)
		}
		ends[lane] = laid[i].Return
		laid[i].ClientId = lane
	}
	return laid
}
