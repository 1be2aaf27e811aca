package waitingroom

import (
	"container/heap"
	"slices"
	"time"
)

// admittedPlace is one admitted place.
type admittedPlace struct {
	linePlace

	admittedAt time.Time
	askedBy    time.Time // see Admitted
	endsAt     time.Time // of the admission, without holds
	claimed    bool
	heldUntil  time.Time // zero without a live hold

	deadlineMS int64 // when it is over, as of now
	index      int   // in admittedPlaces.heap
	batch      int64 // that let it in or claimed it: the number of [Room.Begin]; 0: none
}

// endsWith returns when the place is over, holds included, once it was claimed.
func (p *admittedPlace) endsWith() time.Time { return latest(p.endsAt, p.heldUntil) }

// over reports whether the place's time is over.
func (p *admittedPlace) over(now time.Time) bool { return now.UnixMilli() >= p.deadlineMS }

// admittedPlaces holds the admitted places, by sequence and by deadline. There are at most
// MaxCapacity.
type admittedPlaces struct {
	claimTTL time.Duration
	places   map[uint64]*admittedPlace
	heap     deadlineHeap
}

func (a *admittedPlaces) add(p *admittedPlace) {
	if a.places == nil {
		a.places = make(map[uint64]*admittedPlace)
	}
	a.places[p.sequence] = p
	p.deadlineMS = a.deadline(p).UnixMilli()
	heap.Push(&a.heap, p)
}

// changed must be called after a place's claim or hold has changed.
func (a *admittedPlaces) changed(p *admittedPlace) {
	p.deadlineMS = a.deadline(p).UnixMilli()
	heap.Fix(&a.heap, p.index)
}

func (a *admittedPlaces) remove(p *admittedPlace) {
	delete(a.places, p.sequence)
	heap.Remove(&a.heap, p.index)
}

// deadline returns when a place is over. A user with a hold was seen, claimed or not.
func (a *admittedPlaces) deadline(p *admittedPlace) time.Time {
	if p.claimed || !p.heldUntil.IsZero() {
		return p.endsWith()
	}
	return earliest(p.askedBy.Add(a.claimTTL), p.endsAt)
}

// due returns the places that are over at now, in order of sequence: limit of them at most.
func (a *admittedPlaces) due(now time.Time, limit int) []uint64 {
	var sequences []uint64
	// No place below one that is not due is due: only due places are visited.
	var visit func(index int)
	visit = func(index int) {
		if index >= len(a.heap) || !a.heap[index].over(now) || len(sequences) == limit {
			return
		}
		sequences = append(sequences, a.heap[index].sequence)
		visit(2*index + 1)
		visit(2*index + 2)
	}
	visit(0)
	slices.Sort(sequences)
	return sequences
}

// deadlineHeap orders places by deadline, the next first.
type deadlineHeap []*admittedPlace

// The methods are for container/heap.
func (h *deadlineHeap) Len() int           { return len(*h) }
func (h *deadlineHeap) Less(i, j int) bool { return (*h)[i].deadlineMS < (*h)[j].deadlineMS }
func (h *deadlineHeap) Swap(i, j int) {
	s := *h
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

func (h *deadlineHeap) Push(x any) {
	p := x.(*admittedPlace)
	p.index = len(*h)
	*h = append(*h, p)
}

func (h *deadlineHeap) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return p
}
