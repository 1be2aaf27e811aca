package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What a store says of a write or a read.
var (
	errConflict = errors.New("the key has another revision")
	errMissing  = errors.New("no such key")
	errNoStore  = errors.New("no such bucket")
)

// store is where members keep their records: a bucket with compare-and-set.
type store interface {
	// open makes sure that the bucket is there. It gives what tells this bucket from an
	// earlier one of the same name, and how long it has existed.
	open(ctx context.Context) (incarnation string, age time.Duration, err error)
	// write puts a value if the key still has the revision (0: is not there), and gives
	// its new one; else errConflict. errNoStore if the bucket is gone.
	write(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// read gives a key's value and revision, or errMissing.
	read(ctx context.Context, key string) ([]byte, uint64, error)
	// watch tells of every key's value, then of the end of that (complete), then of every
	// change, in the order of revisions. It returns when ctx ends or the watch breaks.
	watch(ctx context.Context, each func(change)) error
}

// change is one thing that a watch tells.
type change struct {
	value    []byte
	revision uint64
	complete bool // all keys that were there have been told
}

// natsStore is a store in a JetStream key-value bucket. The bucket is in memory: what it
// holds is worth nothing after the members that wrote it.
type natsStore struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	bucket string
	kv     jetstream.KeyValue // stateless but for the bucket's name
}

func newNATSStore(ctx context.Context, conn *nats.Conn, bucket string) (*natsStore, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	s := &natsStore{conn: conn, js: js, bucket: bucket}
	if s.kv, err = s.ensure(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// ensure finds the bucket or makes it.
func (s *natsStore) ensure(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := s.js.KeyValue(ctx, s.bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = s.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:      s.bucket,
			Description: "members of a boxoffice cluster",
			History:     1,
			TTL:         bucketTTL,
			MaxBytes:    bucketBytes,
			Storage:     jetstream.MemoryStorage,
		})
	}
	if err != nil {
		if errors.Is(err, nats.ErrNoResponders) {
			err = fmt.Errorf("does this NATS have JetStream? %w", err)
		}
		return nil, fmt.Errorf("open bucket %s: %w", s.bucket, err)
	}
	return kv, nil
}

func (s *natsStore) open(ctx context.Context) (string, time.Duration, error) {
	kv, err := s.ensure(ctx)
	if err != nil {
		return "", 0, err
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return "", 0, fmt.Errorf("look at bucket %s: %w", s.bucket, err)
	}
	bucket, ok := status.(*jetstream.KeyValueBucketStatus)
	if !ok {
		return "", 0, fmt.Errorf("bucket %s has a status of type %T", s.bucket, status)
	}
	info := bucket.StreamInfo()
	// Both times are the server's. An old one does not tell the second: then it is new.
	age := max(0, info.TimeStamp.Sub(info.Created))
	return strconv.FormatInt(info.Created.UnixNano(), 36), age, nil
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
	entry, err := s.kv.Get(ctx, key)
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
