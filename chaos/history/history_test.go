package history_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice/chaos/history"
)

func token(claims string) string {
	return "head." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".mac"
}

func TestReadToken(t *testing.T) {
	t.Parallel()
	const user = "0192f0c1-2345-7abc-8def-0123456789ab"
	waiting, err := history.ReadToken(token(`{"iss":"boxoffice","sub":"` + user + `","schedule":3,"sequence":7}`))
	require.NoError(t, err)
	require.Equal(t, int64(3), waiting.ScheduleID)
	require.Equal(t, uint64(7), waiting.Sequence)
	require.Equal(t, user, waiting.UserID.String())
	require.False(t, waiting.Admitted())
	admitted, err := history.ReadToken(token(`{"sub":"` + user + `","schedule":3,"sequence":7,"admittedUntil":1700000000000}`))
	require.NoError(t, err)
	require.True(t, admitted.Admitted())
	for _, bad := range []string{"", "one.two", "head.*.mac", token("no object")} {
		_, err := history.ReadToken(bad)
		require.Error(t, err, bad)
	}
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	answer, code, err := history.ReadAnswer([]byte(`{"status":409,"code":"seat-taken","availableSeats":[1,2]}`))
	require.NoError(t, err)
	require.Equal(t, "seat-taken", code)
	require.Equal(t, []int{1, 2}, answer.AvailableSeats)
	require.Empty(t, answer.Word())

	seats := `{"version":4,"seats":[{"seatNumber":1,"status":"held"},{"seatNumber":2,"status":"available"}]}`
	answer, _, err = history.ReadAnswer([]byte(seats))
	require.NoError(t, err)
	require.Equal(t, history.SeatMap("ha"), answer.Seats)

	_, _, err = history.ReadAnswer([]byte(`{"seats":[{"seatNumber":2,"status":"held"}]}`))
	require.ErrorContains(t, err, "seat 2 follows 0")
	_, _, err = history.ReadAnswer([]byte(`{"token":"nonsense"}`))
	require.Error(t, err)
	_, _, err = history.ReadAnswer([]byte(`{`))
	require.Error(t, err)
	_, _, err = history.ReadAnswer(nil)
	require.NoError(t, err)
}

func TestARecordedHistoryIsWrittenByCall(t *testing.T) {
	t.Parallel()
	start := time.Now()
	recorder := history.NewRecorder(start)
	require.Equal(t, time.Second, recorder.Since(start.Add(time.Second)))
	recorder.Add(history.Operation{Kind: history.Pay, Call: 20, Return: 30})
	recorder.Add(history.Operation{Kind: history.Hold, Call: 10, Return: 40})
	operations := recorder.Operations()
	require.Equal(t, history.Hold, operations[0].Kind)
	require.Equal(t, 2, operations[0].Number)
	var written bytes.Buffer
	require.NoError(t, history.Write(&written, operations))
	lines := strings.Split(strings.TrimSpace(written.String()), "\n")
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], `"kind":"hold"`)
}
