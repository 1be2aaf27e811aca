package http

import (
	"encoding/json"
	"math"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestDecodeValueKeepsNumbersExact(t *testing.T) {
	t.Parallel()
	got, err := decodeValue([]byte(`{"a":[1,-0,9223372036854775807,9223372036854775808,1.5,1e-1,1e19,1e400,1e99999999999999999999,null],"b":null,"c":{"d":null,"e":"x"}}`), exactNumbers())
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"a": []any{
			int64(1), int64(0), int64(9223372036854775807), json.Number("9223372036854775808"),
			json.Number("1.5"), json.Number("1e-1"), json.Number("1e19"), json.Number("1e400"), json.Number("1e99999999999999999999"), nil,
		},
		"c": map[string]any{"e": "x"},
	}, got)
}

func TestDecodeValueTakesWholeNumbersHoweverTheyAreSpelt(t *testing.T) {
	t.Parallel()
	for want, spellings := range map[int64][]string{
		0:                   {"0", "-0", "0.0", "-0.00", "0e400", "0e99999999999999999999"},
		100:                 {"100", "100.0", "1e2", "1E+2", "1.00e2", "0.001e5", "1000e-1", "0.1e3"},
		-25:                 {"-25", "-25.00", "-2.5e1", "-250e-1"},
		math.MaxInt64:       {"9223372036854775807", "9223372036854775807.0", "9.223372036854775807e18"},
		math.MinInt64:       {"-9223372036854775808", "-9223372036854775808.0", "-9.223372036854775808E18"},
		1000000000000000000: {"1e18", "1000000000000000000.0"},
	} {
		for _, spelling := range spellings {
			got, err := decodeValue([]byte(spelling), exactNumbers())
			require.NoError(t, err)
			require.Equal(t, want, got, spelling)
		}
	}
}

func FuzzDecodeBody(f *testing.F) {
	for _, seed := range []string{
		`{"name":"Mina"}`, `{"amount":9223372036854775808}`, `[1.5,-0,1e400,1e2,100.0,-0.0]`, `{"a":null,"a":1}`, `"\ud83c\udfb8"`, `"\ud83c"`, "\xff", `{"a":{"b":[null]}}`, ``, `null`, `{}{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := decodeValue(data, exactNumbers())
		if err != nil {
			require.Equal(t, boxoffice.CodeMalformedRequest, boxoffice.CodeOf(err))
			return
		}
		require.True(t, utf8.Valid(data))
		require.True(t, json.Valid(data))
		// What is digested decodes to itself.
		canonical, err := json.Marshal(value)
		require.NoError(t, err)
		again, err := decodeValue(canonical, exactNumbers())
		require.NoError(t, err)
		require.Equal(t, value, again)
	})
}
