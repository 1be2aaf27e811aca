package http

import "sync"

// recent remembers values by key, in two generations: what is asked for or added goes to
// the young one, and when that is full it becomes the old one, whose values are forgotten.
// So the half of its bound that was used last is certain to be kept.
//
// It is not a list of entries, as a strict LRU cache would be, because the garbage
// collector scans everything that a node remembers again and again: here that is two maps,
// and nothing if neither keys nor values have pointers.
type recent[K comparable, V any] struct {
	half int // half of the most values remembered

	mu         sync.Mutex
	young, old map[K]V
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{half: most / 2, young: make(map[K]V), old: make(map[K]V)}
}

// get returns the value of a key, and reports whether it is remembered.
func (r *recent[K, V]) get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if value, ok := r.young[key]; ok {
		return value, true
	}
	value, ok := r.old[key]
	if ok {
		r.keep(key, value)
	}
	return value, ok
}

// add remembers a value, and reports whether its key was already known.
func (r *recent[K, V]) add(key K, value V) (known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, young := r.young[key]
	_, old := r.old[key]
	r.keep(key, value)
	return young || old
}

func (r *recent[K, V]) keep(key K, value V) {
	if len(r.young) >= r.half {
		r.young, r.old = r.old, r.young
		clear(r.young)
	}
	r.young[key] = value
}
