package edge

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
)

// Times and bounds of a feed.
const (
	feedEvery  = 20 * time.Millisecond  // at most this often: changes in between go in one message
	feedAtMost = 250 * time.Millisecond // at least this often, while another node watches anything

	maxFeedBytes = 256 << 10 // of one message; NATS takes a megabyte
	// maxUntold bounds the changes that wait while the node has no lease. Past it they are
	// dropped, and a number is skipped, so that every replica asks again.
	maxUntold = 1 << 16
)

// outbox holds what this node will send to the others about its grains.
type outbox struct {
	cfg  *Config
	kick chan struct{} // there is something to send

	mu      sync.Mutex
	watched map[boxoffice.Grain]watched // by other nodes
	changes []*messages.Change          // to be sent
	counter uint64                      // of the last message
}

// watched describes the watch of other nodes on a grain.
type watched struct {
	epoch int64
	until time.Time
}

func newOutbox(cfg *Config) outbox {
	return outbox{cfg: cfg, kick: make(chan struct{}, 1), watched: make(map[boxoffice.Grain]watched)}
}

// watch sends changes of a grain from now on.
func (o *outbox) watch(grain boxoffice.Grain, epoch int64, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watched[grain] = watched{epoch: epoch, until: until}
}

// mark returns the counter of the last message.
func (o *outbox) mark() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counter
}

// change queues a change if another node still watches its grain.
func (o *outbox) change(grain boxoffice.Grain, change *messages.Change, now time.Time) (told bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w, ok := o.watched[grain]
	if !ok {
		return false
	}
	if !now.Before(w.until) {
		o.end(grain, w.epoch)
		return false
	}
	o.add(change)
	return true
}

// ended queues the news that nobody vouches any more for what a grain showed in an epoch
// and before.
func (o *outbox) ended(grain boxoffice.Grain, epoch int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w, ok := o.watched[grain]; ok && w.epoch <= epoch {
		o.end(grain, epoch)
	}
}

func (o *outbox) end(grain boxoffice.Grain, epoch int64) {
	delete(o.watched, grain)
	o.add(endOf(grain, epoch))
}

func (o *outbox) add(change *messages.Change) {
	if len(o.changes) >= maxUntold {
		o.changes = nil
		o.counter++
		o.cfg.Logger.Warn("nobody was told what has changed: there is no lease", "changes", maxUntold)
	}
	o.changes = append(o.changes, change)
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

// forget ends watches that nobody has renewed, and announces it: a watcher whose clock runs
// differently must not wait in vain.
func (o *outbox) forget(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for grain, w := range o.watched {
		if !now.Before(w.until) {
			o.end(grain, w.epoch)
		}
	}
}

// run sends what is queued until ctx ends, and then what is left.
func (o *outbox) run(ctx context.Context) {
	heartbeat := time.NewTimer(feedAtMost)
	defer heartbeat.Stop()
	pause := time.NewTimer(feedEvery)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			o.tell()
			return
		case <-o.kick:
		case <-heartbeat.C:
		}
		o.tell()
		heartbeat.Reset(feedAtMost)
		pause.Reset(feedEvery)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// tell publishes what is queued, in as many messages as it takes; an empty one if somebody
// watches and nothing has changed. Without a lease everything has to wait, as this node may
// not vouch for its grains.
func (o *outbox) tell() {
	// Everything acknowledged until now is already in the outbox, and until now nobody else
	// can have acknowledged anything.
	at := o.cfg.Clock.Now()
	if !o.cfg.Lease.Valid() {
		return
	}
	o.mu.Lock()
	changes, empty := o.changes, len(o.watched) == 0
	o.changes = nil
	o.mu.Unlock()
	if len(changes) == 0 && empty {
		return
	}
	for first := true; first || len(changes) > 0; first = false {
		var message []*messages.Change
		message, changes = cut(changes)
		feed := &messages.Feed{MemberId: o.cfg.MemberID, Changes: message}
		if len(changes) == 0 {
			feed.At = at.UnixMilli() // complete only now
		}
		o.publish(feed)
	}
}

// cut takes as many changes as fit into a message. A change that is too large is sent as an
// end, so that the watchers ask again.
func cut(changes []*messages.Change) (message, rest []*messages.Change) {
	size := 0
	for i, change := range changes {
		own := proto.Size(change)
		if own > maxFeedBytes {
			grain := boxoffice.Grain{Kind: boxoffice.Kind(change.GetKind()), ID: change.GetId()}
			changes[i], own = endOf(grain, change.GetEpoch()), 0
		}
		if size += own; size > maxFeedBytes {
			return changes[:i], changes[i:]
		}
	}
	return changes, nil
}

func (o *outbox) publish(feed *messages.Feed) {
	o.mu.Lock()
	o.counter++
	feed.Counter = o.counter
	o.mu.Unlock()
	data, err := proto.Marshal(feed)
	if err != nil { // the others notice that a message is missing
		o.cfg.Logger.Error("feed could not be encoded", "error", err)
		return
	}
	o.cfg.Bus.Publish(feedSubject+"."+o.cfg.MemberID, data)
	if o.cfg.Observer.Fed != nil {
		o.cfg.Observer.Fed(len(feed.GetChanges()))
	}
}

func endOf(grain boxoffice.Grain, epoch int64) *messages.Change {
	return &messages.Change{
		Kind: string(grain.Kind), Id: grain.ID, Epoch: epoch,
		Of: &messages.Change_Ended{Ended: &messages.Ended{}},
	}
}
