package main

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice/chaos/history"
	"boxoffice/chaos/plan"
	"boxoffice/chaos/workload"
)

func TestParseFigures(t *testing.T) {
	t.Parallel()
	m, err := parseFigures([]string{"-runs", "2", "-rows", "kill,join"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, 2, m.runs)
	require.Len(t, m.figures, 2)
	m, err = parseFigures(nil, io.Discard)
	require.NoError(t, err)
	require.Equal(t, catalogueOfFigures(), m.figures)
	for _, bad := range [][]string{{"-runs", "0"}, {"-rate", "0"}, {"-rows", "kill,earthquake"}, {"-frobnicate"}, {"kill"}} {
		_, err := parseFigures(bad, io.Discard)
		require.Error(t, err, bad)
	}
}

func TestFiguresLeaveTimeToRecover(t *testing.T) {
	t.Parallel()
	for _, f := range catalogueOfFigures() {
		_, known := plan.Find(f.Kind)
		require.True(t, known, f.Kind)
		require.Greater(t, f.Gap, f.Length+f.Goal, f.Kind)
	}
}

func TestReadingAFigure(t *testing.T) {
	t.Parallel()
	const s = time.Second
	x := &experiment{recorder: history.NewRecorder(time.Now()), fleet: &workload.Fleet{ScheduleIDs: []int64{1}}}
	for _, at := range []time.Duration{10 * s, 12 * s, 13 * s, 19 * s} {
		x.recorder.Add(history.Operation{
			Kind: history.Hold, Call: at - time.Millisecond, Return: at, Result: history.OK, Request: history.Request{ScheduleID: 1},
		})
	}
	requests := []workload.Request{
		{ScheduleID: 1, Due: 9 * s, Done: 19 * s}, // before the fault
		{ScheduleID: 1, Due: 10 * s, Done: 12 * s, Tries: 2},
		{ScheduleID: 1, Due: 13 * s, Done: 14 * s, Tries: 2, Failed: true},
		{ScheduleID: 1, Due: 14 * s, Done: 14 * s, Tries: 1, Refused: true},
		{ScheduleID: 1, Due: 20 * s, Done: 29 * s}, // after it
	}
	done := faultRun{Start: 10 * s, Healed: 13 * s}
	want := reading{Value: 6 * s, Failed: 1, Retried: 2, Refused: 1, Longest: 2 * s, Outage: 6 * s, Sent: 3}
	require.Equal(t, want, figure{Measure: longestOutage}.read(x, done, 20*s, requests, x.recorder.Operations()))
	want.Value = 2 * s
	require.Equal(t, want, figure{Measure: longestAnswer}.read(x, done, 20*s, requests, x.recorder.Operations()))
	require.Equal(t, 6*s, figure{Measure: backAfter}.read(x, done, 20*s, requests, x.recorder.Operations()).Value)
}

func TestTheTableTellsWhatWasMissed(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	line{Figure: "an earthquake", Goal: time.Second, Median: 1200 * time.Millisecond, Invalid: []string{"too little"}}.tell(&out)
	require.Contains(t, out.String(), "1.2s")
	require.Contains(t, out.String(), "not reached")
	require.Contains(t, out.String(), "invalid: too little")
}
