package waitingroom

import (
	"iter"
	"math/bits"
	"slices"

	"github.com/google/uuid"
)

// lineBlockSize is the number of joins in one block of a line: small enough that a block
// kept for one last place wastes little, large enough that the index over the blocks of a
// million places stays in the processor's cache.
const lineBlockSize = 256

// line holds the waiting places, in order of sequence, with order statistics: joining costs
// O(1), leaving and the exact position of a place O(log n).
//
// A place that was taken out can be put back, and the newest can be taken back, in the
// reverse order of what happened, as long as no block was dropped since.
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
	// end, so it moves forward, but for places that are put back.
	front int
	// gone counts the nil blocks.
	gone int
}

// lineBlock is up to lineBlockSize consecutive joins.
type lineBlock struct {
	waiting    [lineBlockSize / 64]uint64 // bit i: slot i waits
	count      int16                      // of those who wait
	used       int16                      // slots filled
	sequences  [lineBlockSize]uint64      // ascending
	users      [lineBlockSize]uuid.UUID
	operations [lineBlockSize]uuid.UUID
	joinedMS   [lineBlockSize]int64 // since the Unix epoch
}

// linePlace is one place that waits.
type linePlace struct {
	sequence    uint64
	userID      uuid.UUID
	operationID uuid.UUID // of the join; zero if unknown
	joinedMS    int64
}

// lineSlot is where a place is in the line. It is valid until blocks are dropped.
type lineSlot struct {
	block int32
	slot  int16
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
	b.sequences[slot], b.users[slot], b.operations[slot], b.joinedMS[slot] = p.sequence, p.userID, p.operationID, p.joinedMS
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

// pop undoes the newest push, and returns the user whose place it was.
func (l *line) pop() (userID uuid.UUID) {
	last := len(l.blocks) - 1
	b := l.blocks[last]
	b.used--
	b.waiting[b.used/64] &^= 1 << (b.used % 64)
	b.count--
	l.count--
	l.add(last, -1)
	userID = b.users[b.used]
	if b.used == 0 {
		l.blocks[last] = nil
		l.blocks, l.bases, l.tree = l.blocks[:last], l.bases[:last], l.tree[:last]
		l.front = min(l.front, max(0, last-1))
	}
	return userID
}

// last returns the sequence of the newest push; 0 if there is none. No block may have been
// dropped yet.
func (l *line) last() uint64 {
	if len(l.blocks) == 0 {
		return 0
	}
	b := l.blocks[len(l.blocks)-1]
	return b.sequences[b.used-1]
}

// get returns a waiting place; false if it does not wait.
func (l *line) get(sequence uint64) (linePlace, bool) {
	at, ok := l.find(sequence)
	if !ok {
		return linePlace{}, false
	}
	return l.at(at), true
}

// at returns the place in a slot, whether or not it was taken out.
func (l *line) at(at lineSlot) linePlace {
	b := l.blocks[at.block]
	return linePlace{
		sequence: b.sequences[at.slot], userID: b.users[at.slot], operationID: b.operations[at.slot], joinedMS: b.joinedMS[at.slot],
	}
}

// position returns the 1-based rank of a place among those who wait; 0 if it does not.
func (l *line) position(sequence uint64) int {
	at, ok := l.find(sequence)
	if !ok {
		return 0
	}
	return l.before(int(at.block)) + l.blocks[at.block].rank(int(at.slot)) + 1
}

// takeOut takes a place out of the line; false if it does not wait. Its slot stays until
// it is dropped, so that the place can be put back.
func (l *line) takeOut(sequence uint64) (lineSlot, bool) {
	at, ok := l.find(sequence)
	if ok {
		l.blocks[at.block].waiting[at.slot/64] &^= 1 << (at.slot % 64)
		l.count--
		l.blocks[at.block].count--
		l.add(int(at.block), -1)
	}
	return at, ok
}

// putBack undoes takeOut.
func (l *line) putBack(at lineSlot) {
	l.blocks[at.block].waiting[at.slot/64] |= 1 << (at.slot % 64)
	l.count++
	l.blocks[at.block].count++
	l.add(int(at.block), 1)
	l.front = min(l.front, int(at.block))
}

// drop forgets a place that was taken out: its whole block, if that was the last. Slots
// stay valid until compact is called, which has to happen at some point.
func (l *line) drop(at lineSlot) {
	if b := l.blocks[at.block]; b != nil && b.count == 0 && b.used == lineBlockSize {
		l.blocks[at.block] = nil
		l.gone++
	}
}

// all returns the sequences in order. The line must not change during the iteration.
func (l *line) all() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
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

// find returns the slot of a place that waits.
func (l *line) find(sequence uint64) (at lineSlot, ok bool) {
	index, exact := slices.BinarySearch(l.bases, sequence)
	if !exact {
		index--
	}
	if index < 0 || l.blocks[index] == nil {
		return lineSlot{}, false
	}
	b := l.blocks[index]
	slot, ok := slices.BinarySearch(b.sequences[:b.used], sequence)
	return lineSlot{block: int32(index), slot: int16(slot)}, ok && b.waiting[slot/64]&(1<<(slot%64)) != 0
}

// add changes the count of a block in the tree.
func (l *line) add(index int, delta int32) {
	for i := index + 1; i <= len(l.tree); i += i & -i {
		l.tree[i-1] += delta
	}
}

// before returns how many wait in the blocks before index.
func (l *line) before(index int) int {
	var sum int32
	for i := index; i > 0; i -= i & -i {
		sum += l.tree[i-1]
	}
	return int(sum)
}

// compact forgets the nil blocks once they are most of all blocks, so that its cost is a
// constant per block that was ever filled, and all blocks where nobody waits.
func (l *line) compact() {
	if l.count == 0 {
		*l = line{} // most rooms are empty most of the time
		return
	}
	if l.gone <= len(l.blocks)/2 {
		return
	}
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

// rank returns how many wait in the slots before slot.
func (b *lineBlock) rank(slot int) int {
	sum := 0
	for _, word := range b.waiting[:slot/64] {
		sum += bits.OnesCount64(word)
	}
	return sum + bits.OnesCount64(b.waiting[slot/64]&(1<<(slot%64)-1))
}

func (b *lineBlock) all(yield func(uint64) bool) bool {
	for i, word := range b.waiting {
		for ; word != 0; word &= word - 1 {
			if !yield(b.sequences[i*64+bits.TrailingZeros64(word)]) {
				return false
			}
		}
	}
	return true
}
