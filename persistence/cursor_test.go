package persistence

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestCursorsAreReadBack(t *testing.T) {
	t.Parallel()
	for _, p := range []position{
		oldest(),
		{number: math.MaxInt64, at: lastMoment(), id: uuid.Max},
		{number: 7, at: time.UnixMicro(1_799_999_999_123_000).UTC(), id: uuid.New()},
	} {
		got, err := listPayments.read(boxoffice.PageRequest{Limit: 1, Cursor: listPayments.cursor(p)}, position{})
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	first, err := listPayments.read(boxoffice.PageRequest{Limit: MaxPage}, newest())
	require.NoError(t, err)
	require.Equal(t, newest(), first)
}

func TestBadPageRequests(t *testing.T) {
	t.Parallel()
	good := listPayments.cursor(newest())
	raw, err := base64.RawURLEncoding.DecodeString(good)
	require.NoError(t, err)
	with := func(index int, b byte) string {
		changed := append([]byte(nil), raw...)
		changed[index] = b
		return base64.RawURLEncoding.EncodeToString(changed)
	}
	for name, cursor := range map[string]string{
		"another list":    listHistory.cursor(newest()),
		"too short":       good[:len(good)-1],
		"too long":        good + "A",
		"padded":          good + "=",
		"no base64":       strings.Repeat("!", len(good)),
		"a line break":    good[:len(good)-1] + "\n",
		"negative number": with(1, 0x80),
		"negative time":   with(9, 0x80),
		"distant time":    with(9, 0x7f),
	} {
		_, err := listPayments.read(boxoffice.PageRequest{Limit: 1, Cursor: cursor}, newest())
		require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err), name)
		require.ErrorContains(t, err, "query.cursor", name)
	}
	for _, limit := range []int{-1, 0, MaxPage + 1} {
		_, err := listPayments.read(boxoffice.PageRequest{Limit: limit}, newest())
		require.ErrorContains(t, err, "query.limit")
	}
}

// FuzzCursor wants every cursor to be refused or to be the one that its position makes.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(listHistory.cursor(newest()))
	f.Add(listHistory.cursor(oldest()))
	f.Add(listConcerts.cursor(position{number: 1}))
	f.Fuzz(func(t *testing.T, cursor string) {
		p, err := listHistory.read(boxoffice.PageRequest{Limit: 1, Cursor: cursor}, newest())
		switch {
		case err != nil:
			require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err))
		case cursor != "":
			require.Equal(t, cursor, listHistory.cursor(p))
			require.GreaterOrEqual(t, p.number, int64(0))
		}
	})
}
