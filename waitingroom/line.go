package waitingroom

import (
	"iter"
	"math/bits"
	"slices"

	"github.com/google/uuid"
)

// lineBlockSize is how many joins one block of a line takes: small enough that a block
// kept for one last place wastes little, large enough that the index over the blocks of
// a million places stays in the processor's cache.
const lineBlockSize = 256

// line is the places that wait, in order of sequence, with order statistics: joining
// costs O(1), leaving and the exact position of a place O(log n), for 33 bytes a place.
//
// A place sits in a block of consecutive joins and is marked in the block's bit set;
// its position is the number of marks before it: those of the blocks before by a
// Fenwick tree over their counts, those of its own block by counting bits. (P. Fenwick,
// "A New Data Structure for Cumulative Frequency Tables", Software: Practice and
// Experience 24(3), 1994; counting bits below blocks is G. Jacobson's rank, "Space-
// efficient Static Trees and Graphs", FOCS 1989.)
type line struct {
	// blocks[i] is nil once nobody waits in it any more; bases[i] is the sequence of its
	// first join, ascending, and stays.
	blocks []*lineBlock
	bases  []uint64
	// tree is the Fenwick tree: tree[i-1] counts those who wait in the blocks
	// i-lowbit(i)+1 to i, numbered from 1.
	tree  []int32
	count int
	// front is the index of a block before which nobody waits. Everybody joins at the
	// end, so it only moves forward.
	front int
	// gone counts the nil blocks.
	gone int
}

// lineBlock is up to lineBlockSize consecutive joins.
type lineBlock struct {
	waiting   [lineBlockSize / 64]uint64 // bit i: slot i waits
	count     int16                      // of those who wait
	used      int16                      // slots filled
	sequences [lineBlockSize]uint64      // ascending
	users     [lineBlockSize]uuid.UUID
	joinedMS  [lineBlockSize]int64 // since the Unix epoch
}

// linePlace is one place that waits.
type linePlace struct {
	sequence uint64
	userID   uuid.UUID
	joinedMS int64
}

// push puts a place at the end. Its sequence must be higher than all before.
func (l *line) push(p linePlace) {
	last := len(l.blocks) - 1
	if last < 0 || l.blocks[last] == nil || l.blocks[last].used == lineBlockSize {
		l.grow(p.sequence)
		last++
	}
	b := l.blocks[last]
	slot := b.used
	b.sequences[slot], b.users[slot], b.joinedMS[slot] = p.sequence, p.userID, p.joinedMS
	b.waiting[slot/64] |= 1 << (slot % 64)
	b.used++
	b.count++
	l.count++
	l.add(last, 1)
}

// grow adds an empty block at the end.
func (l *line) grow(base uint64) {
	l.blocks = append(l.blocks, new(lineBlock))
	l.bases = append(l.bases, base)
	// The new node of the tree covers the nodes below it, whose counts are known.
	var sum int32
	n := len(l.blocks)
	for i := n - 1; i > n-n&-n; i -= i & -i {
		sum += l.tree[i-1]
	}
	l.tree = append(l.tree, sum)
}

// get finds a place; false if it does not wait.
func (l *line) get(sequence uint64) (linePlace, bool) {
	index, slot, ok := l.find(sequence)
	if !ok {
		return linePlace{}, false
	}
	return l.blocks[index].place(slot), true
}

// position is the 1-based rank of a place among those who wait; 0 if it does not.
func (l *line) position(sequence uint64) int {
	index, slot, ok := l.find(sequence)
	if !ok {
		return 0
	}
	return l.before(index) + l.blocks[index].rank(slot) + 1
}

// remove takes a place out of the line; false if it does not wait.
func (l *line) remove(sequence uint64) (linePlace, bool) {
	index, slot, ok := l.find(sequence)
	if !ok {
		return linePlace{}, false
	}
	b := l.blocks[index]
	p := b.place(slot)
	b.waiting[slot/64] &^= 1 << (slot % 64)
	b.count--
	l.count--
	l.add(index, -1)
	if b.count == 0 && b.used == lineBlockSize {
		l.blocks[index] = nil
		if l.gone++; l.gone > len(l.blocks)/2 {
			l.compact()
		}
	}
	return p, true
}

// all gives the places in order. The line must not change meanwhile.
func (l *line) all() iter.Seq[linePlace] {
	return func(yield func(linePlace) bool) {
		for ; l.front < len(l.blocks)-1; l.front++ {
			if b := l.blocks[l.front]; b != nil && b.count > 0 {
				break
			}
		}
		for _, b := range l.blocks[l.front:] {
			if b != nil && !b.all(yield) {
				return
			}
		}
	}
}

// sequences gives the sequences in order, block by block, without touching what else is
// known of the places. The slice is used again.
func (l *line) sequences() iter.Seq[[]uint64] {
	return func(yield func([]uint64) bool) {
		var sequences [lineBlockSize]uint64
		for _, b := range l.blocks[min(l.front, len(l.blocks)):] {
			if b == nil || b.count == 0 {
				continue
			}
			n := 0
			for i, word := range b.waiting {
				for ; word != 0; word &= word - 1 {
					sequences[n] = b.sequences[i*64+bits.TrailingZeros64(word)]
					n++
				}
			}
			if !yield(sequences[:n]) {
				return
			}
		}
	}
}

// find gives the block and the slot of a place that waits.
func (l *line) find(sequence uint64) (index, slot int, ok bool) {
	index, exact := slices.BinarySearch(l.bases, sequence)
	if !exact {
		index--
	}
	if index < 0 || l.blocks[index] == nil {
		return 0, 0, false
	}
	b := l.blocks[index]
	slot, ok = slices.BinarySearch(b.sequences[:b.used], sequence)
	return index, slot, ok && b.waiting[slot/64]&(1<<(slot%64)) != 0
}

// add changes the count of a block in the tree.
func (l *line) add(index int, delta int32) {
	for i := index + 1; i <= len(l.tree); i += i & -i {
		l.tree[i-1] += delta
	}
}

// before counts those who wait in the blocks before index.
func (l *line) before(index int) int {
	var sum int32
	for i := index; i > 0; i -= i & -i {
		sum += l.tree[i-1]
	}
	return int(sum)
}

// compact drops the nil blocks. It is called when they are most of all blocks, so that
// its cost is a constant per block that was ever filled.
func (l *line) compact() {
	blocks, bases := l.blocks, l.bases
	*l = line{count: l.count}
	for i, b := range blocks {
		if b == nil {
			continue
		}
		l.grow(bases[i])
		l.blocks[len(l.blocks)-1] = b
		l.add(len(l.blocks)-1, int32(b.count))
	}
}

func (b *lineBlock) place(slot int) linePlace {
	return linePlace{sequence: b.sequences[slot], userID: b.users[slot], joinedMS: b.joinedMS[slot]}
}

// rank counts those who wait in the slots before.
func (b *lineBlock) rank(slot int) int {
	sum := 0
	for _, word := range b.waiting[:slot/64] {
		sum += bits.OnesCount64(word)
	}
	return sum + bits.OnesCount64(b.waiting[slot/64]&(1<<(slot%64)-1))
}

func (b *lineBlock) all(yield func(linePlace) bool) bool {
	for i, word := range b.waiting {
		for ; word != 0; word &= word - 1 {
			if !yield(b.place(i*64 + bits.TrailingZeros64(word))) {
				return false
			}
		}
	}
	return true
}
