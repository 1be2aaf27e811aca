package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice/internal/apiclient"
)

// streamDeadline is how long a change may take to reach the streams.
const streamDeadline = 30 * time.Second

// follow opens many streams of the seats of one schedule on one node, changes a seat, and
// reports how long after the request to change it their readers knew.
func (b *bench) follow(ctx context.Context) error {
	schedule, err := newSchedule(ctx, b.db, 100, 0)
	if err != nil {
		return err
	}
	buyer := &person{id: uuid.New()}
	if err := b.register(ctx, []*person{buyer}); err != nil {
		return err
	}
	var mine place
	if err := b.other.want(ctx, http.StatusCreated, join(schedule, buyer), &mine); err != nil {
		return err
	}
	path := strings.TrimSuffix(queuePath(schedule), "/queue")
	streams := make([]*stream, b.streams)
	defer func() {
		for _, s := range streams {
			if s != nil {
				_ = s.conn.Close() // nothing more is wanted of it
			}
		}
	}()
	for i := range streams {
		if streams[i], err = openStream(ctx, strings.TrimPrefix(b.other.URL, "http://"), path+"/seats/events", b.other.AdminToken); err != nil {
			return fmt.Errorf("stream %d: %w", i+1, err)
		}
	}
	var listening, told sync.WaitGroup
	times := make([]time.Time, len(streams))
	listening.Add(len(streams))
	for i, s := range streams {
		told.Go(func() {
			listening.Done()
			times[i] = s.next("event: seat\n")
		})
	}
	listening.Wait()
	changed := time.Now()
	err = b.other.want(ctx, http.StatusCreated, apiclient.Request{
		Method: http.MethodPost, URL: path + "/reservations", Body: map[string]int{"seatNumber": 1},
		AccessToken: buyer.accessToken, QueueToken: mine.Token,
	}, nil)
	if err != nil {
		return err
	}
	told.Wait()
	delays := make([]time.Duration, 0, len(times))
	for _, t := range times {
		if t.IsZero() {
			return errors.New("a stream was not told")
		}
		delays = append(delays, t.Sub(changed))
	}
	slices.Sort(delays)
	b.note(fmt.Sprintf("a seat changes: 99 %% of %d streams on a node told", b.streams), "≤ 500 ms", "%s",
		delays[len(delays)*99/100].Round(time.Millisecond))
	return nil
}

// stream is one open stream of events.
type stream struct {
	conn   net.Conn
	reader *bufio.Reader
}

// openStream opens a stream and reads its first event.
func openStream(ctx context.Context, address, path, adminToken string) (*stream, error) {
	conn, err := (&net.Dialer{Timeout: requestTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &stream{conn: conn, reader: bufio.NewReaderSize(conn, 512)}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, address, adminToken); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if s.next("event: seats\n").IsZero() {
		return nil, errors.Join(errors.New("no first event came"), conn.Close())
	}
	return s, nil
}

// next reads up to a line and returns when it came; zero: it did not.
func (s *stream) next(line string) time.Time {
	if err := s.conn.SetReadDeadline(time.Now().Add(streamDeadline)); err != nil {
		return time.Time{}
	}
	for {
		read, err := s.reader.ReadSlice('\n')
		switch {
		case string(read) == line:
			return time.Now()
		case err != nil && !errors.Is(err, bufio.ErrBufferFull): // a long line is none that is looked for
			return time.Time{}
		}
	}
}

// countOverAdmission reads from the rows of the busy line, which was let in all the time
// and across the loss of its owner, how often more were in than its capacity, and how many
// more than its rate were let in within any second.
func (b *bench) countOverAdmission(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.lab.Postgres.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var admissions, tooMany, tooFast int
	err = conn.QueryRow(ctx, `
		WITH p AS (SELECT admitted_at, ended_at FROM queue_places WHERE schedule_id = $1 AND admitted_at IS NOT NULL)
		SELECT count(*),
			count(*) FILTER (WHERE $2 < (
				SELECT count(*) FROM p o WHERE o.admitted_at <= p.admitted_at AND (o.ended_at IS NULL OR o.ended_at > p.admitted_at))),
			count(*) FILTER (WHERE $3 < (
				SELECT count(*) FROM p o WHERE o.admitted_at BETWEEN p.admitted_at - interval '1 second' AND p.admitted_at))
		FROM p`, b.busyLine, busyCapacity, busyPerSecond).Scan(&admissions, &tooMany, &tooFast)
	if err != nil {
		return err
	}
	b.note(fmt.Sprintf("over-admission, of %d admissions", admissions), "0", "%d", tooMany+tooFast)
	return nil
}
