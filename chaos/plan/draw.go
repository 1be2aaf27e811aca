package plan

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Times of a plan.
const (
	// warmUp is how long a run goes before the first fault.
	warmUp = 2 * time.Second
	// recovery is how long after a fault and its goal the next one comes.
	recovery = 1500 * time.Millisecond
	// stream keeps the plan's random numbers apart from the workload's.
	stream = 0x706c616e // "plan"
)

// Fault is one fault of a plan.
type Fault struct {
	Kind   Kind          `json:"kind"`
	At     time.Duration `json:"at"`     // since the start of the workload
	Length time.Duration `json:"length"` // until it is healed
	Node   int           `json:"node"`   // whom it hits; unused by some kinds
	Peer   int           `json:"peer"`   // the other node of a cut, never Node
}

func (f Fault) String() string {
	return fmt.Sprintf("%s of node %d for %s", f.Kind, f.Node, f.Length)
}

// Draw makes the plan of a run: faults of these kinds, one after the other, that are all
// over by the end of length.
func Draw(seed uint64, kinds []Kind, length time.Duration, nodes int) ([]Fault, error) {
	entries := make([]Entry, 0, len(kinds))
	for _, kind := range kinds {
		entry, ok := Find(kind)
		if !ok {
			return nil, fmt.Errorf("no fault is called %q", kind)
		}
		if entry.Nodes > nodes {
			return nil, fmt.Errorf("%s needs %d nodes, and there are %d", kind, entry.Nodes, nodes)
		}
		entries = append(entries, entry)
	}
	random := rand.New(rand.NewPCG(seed, stream))
	var faults []Fault
	var round []Entry
	for at := warmUp; len(entries) > 0; {
		if len(round) == 0 {
			round = append(round, entries...)
			random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		}
		f := draw(random, round[0], at, nodes)
		goal, _ := round[0].GoalWith(nodes)
		next := at + f.Length + max(goal, time.Second) + recovery
		if next > length {
			break
		}
		faults, round, at = append(faults, f), round[1:], next
	}
	return faults, nil
}

func draw(random *rand.Rand, e Entry, at time.Duration, nodes int) Fault {
	f := Fault{Kind: e.Kind, At: at, Length: e.Shortest, Node: random.IntN(nodes)}
	if e.Longest > e.Shortest {
		f.Length += time.Duration(random.Int64N(int64(e.Longest - e.Shortest))).Truncate(time.Millisecond)
	}
	if nodes > 1 {
		f.Peer = (f.Node + 1 + random.IntN(nodes-1)) % nodes
	}
	return f
}
