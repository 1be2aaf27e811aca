package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors of a store.
var (
	errConflict = errors.New("the key has another revision")
	errMissing  = errors.New("no such key")
	errNoStore  = errors.New("no such bucket")
)

// store is where members keep their records: a bucket with compare-and-set.
type store interface {
	// open makes sure that the bucket exists. It returns what distinguishes this bucket
	// from an earlier one of the same name, and how long it has existed.
	open(ctx context.Context) (incarnation string, age time.Duration, err error)
	// write puts a value if the key still has the revision (0: does not exist), and returns
	// the new revision; otherwise errConflict, or errNoStore if the bucket is gone.
	write(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// read returns a key's value and revision, or errMissing.
	read(ctx context.Context, key string) ([]byte, uint64, error)
	// watch calls each with every key's value, then with the end of those (complete), then
	// with every change, in the order of revisions. It returns when ctx ends or the watch
	// breaks.
	watch(ctx context.Context, each func(change)) error
}

// change is one event of a watch.
type change struct {
	value    []byte
	revision uint64
	complete bool // all existing keys have been reported
}

const (
	// maxCopies is the number of servers of a NATS cluster that have the bucket, if there are
	// as many. With two, each write would need both, which is less available than one alone.
	maxCopies = 3
	copyEvery = 5 * time.Second // how often this is checked
)

// natsStore is a store in a JetStream key-value bucket. The bucket is in memory: what it
// holds is worth nothing after the members that wrote it.
type natsStore struct {
	js     jetstream.JetStream
	bucket string
	log    *slog.Logger
	kv     jetstream.KeyValue // of await; to write and to watch
}

func newNATSStore(conn *nats.Conn, bucket string, log *slog.Logger) (*natsStore, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return &natsStore{js: js, bucket: bucket, log: log}, nil
}

// config returns the configuration of the bucket's stream, as the NATS clients make it,
// except that everything is read from the leader: another server may be behind.
func (s *natsStore) config(copies int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              "KV_" + s.bucket,
		Description:       "members of a boxoffice cluster",
		Subjects:          []string{"$KV." + s.bucket + ".>"},
		MaxMsgsPerSubject: 1,
		MaxAge:            bucketTTL,
		MaxBytes:          bucketBytes,
		Storage:           jetstream.MemoryStorage,
		Replicas:          copies,
		Discard:           jetstream.DiscardNew,
		AllowRollup:       true,
		DenyDelete:        true,
	}
}

// await opens the bucket as soon as JetStream is able to: a cluster is not before most of
// its servers have started. It returns how long the bucket has existed.
func (s *natsStore) await(ctx context.Context) (age time.Duration, err error) {
	for told := false; ; {
		opening, opened := context.WithTimeout(ctx, natsTimeout)
		_, age, err = s.open(opening)
		if err == nil {
			s.kv, err = s.js.KeyValue(opening, s.bucket)
		}
		opened()
		switch {
		case err == nil:
			return age, nil
		case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled):
			return 0, fmt.Errorf("does this NATS have JetStream? %w", err)
		case !told:
			s.log.Warn("waiting for JetStream", "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%w, after %w", context.Cause(ctx), err)
		case <-time.After(maxBackoff):
		}
	}
}

func (s *natsStore) open(ctx context.Context) (string, time.Duration, error) {
	stream, err := s.js.Stream(ctx, s.config(1).Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = s.create(ctx)
	}
	if err != nil {
		return "", 0, fmt.Errorf("open bucket %s: %w", s.bucket, err)
	}
	info := stream.CachedInfo()
	// Both times are the server's. An old server does not send the second; the bucket then
	// counts as new.
	age := max(0, info.TimeStamp.Sub(info.Created))
	return strconv.FormatInt(info.Created.UnixNano(), 36), age, nil
}

// create creates the bucket on several servers, or on one if there are no more.
func (s *natsStore) create(ctx context.Context) (jetstream.Stream, error) {
	stream, err := s.js.CreateStream(ctx, s.config(maxCopies))
	if isTooFew(err) {
		stream, err = s.js.CreateStream(ctx, s.config(1))
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node was faster
		stream, err = s.js.Stream(ctx, s.config(1).Name)
	}
	return stream, err
}

// Errors of a NATS server that has fewer servers beside it than a stream requires.
const (
	codeNotClustered = 10074
	codeNoPeers      = 10005
)

func isTooFew(err error) bool {
	failure, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (failure.ErrorCode == codeNotClustered || failure.ErrorCode == codeNoPeers)
}

// keepCopies spreads a bucket that was created while servers were missing, or by an earlier
// release, over several servers when it can.
func (s *natsStore) keepCopies(ctx context.Context) {
	tick := time.NewTicker(copyEvery)
	defer tick.Stop()
	for {
		if err := s.addCopies(ctx); err != nil && ctx.Err() == nil {
			s.log.Debug("the members' bucket cannot be put on more NATS servers", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *natsStore) addCopies(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	stream, err := s.js.Stream(ctx, s.config(1).Name)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	if info.Cluster == nil || info.Cluster.Name == "" || info.Config.Replicas >= maxCopies && !info.Config.AllowDirect {
		return nil // one server alone, or enough
	}
	cfg := info.Config
	cfg.Replicas = maxCopies
	cfg.AllowDirect = false // which reads from any of them
	if _, err := s.js.UpdateStream(ctx, cfg); err != nil {
		return err
	}
	s.log.Info("the members' bucket is on more NATS servers", "servers", maxCopies)
	return nil
}

func (s *natsStore) write(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	var err error
	if revision == 0 {
		revision, err = s.kv.Create(ctx, key, value)
	} else {
		revision, err = s.kv.Update(ctx, key, value, revision)
	}
	switch {
	case err == nil:
		return revision, nil
	case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return 0, fmt.Errorf("%w: %w", errConflict, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, jetstream.ErrStreamNotFound):
		return 0, fmt.Errorf("%w: %w", errNoStore, err)
	default:
		return 0, fmt.Errorf("write %s: %w", key, err)
	}
}

func (s *natsStore) read(ctx context.Context, key string) ([]byte, uint64, error) {
	// How to read is part of the bucket's configuration, which addCopies changes, and a handle
	// keeps what it was when it was made.
	kv, err := s.js.KeyValue(ctx, s.bucket)
	var entry jetstream.KeyValueEntry
	if err == nil {
		entry, err = kv.Get(ctx, key)
	}
	switch {
	case err == nil:
		return entry.Value(), entry.Revision(), nil
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, 0, errMissing
	default:
		return nil, 0, fmt.Errorf("read %s: %w", key, err)
	}
}

func (s *natsStore) watch(ctx context.Context, each func(change)) error {
	ctx, cancel := context.WithCancel(ctx)
	watcher, err := s.kv.WatchAll(ctx)
	if err != nil {
		cancel()
		return fmt.Errorf("watch bucket %s: %w", s.bucket, err)
	}
	defer func() {
		cancel() // ends the subscription, which closes the channel
		for range watcher.Updates() {
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, open := <-watcher.Updates():
			switch {
			case !open:
				return errors.New("the watch has ended")
			case entry == nil:
				each(change{complete: true})
			case entry.Operation() == jetstream.KeyValuePut:
				each(change{value: entry.Value(), revision: entry.Revision()})
			}
		}
	}
}
