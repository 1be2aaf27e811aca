package http

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestDecodeValueKeepsNumbersExact(t *testing.T) {
	t.Parallel()
	got, err := decodeValue([]byte(`{"a":[1,-0,9223372036854775807,9223372036854775808,1.0,1e2,1e400,null],"b":null,"c":{"d":null,"e":"x"}}`), exactNumbers())
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"a": []any{
			int64(1), int64(0), int64(9223372036854775807), json.Number("9223372036854775808"),
			json.Number("1.0"), json.Number("1e2"), json.Number("1e400"), nil,
		},
		"c": map[string]any{"e": "x"},
	}, got)
}

func FuzzDecodeBody(f *testing.F) {
	for _, seed := range []string{
		`{"name":"Mina"}`, `{"amount":9223372036854775808}`, `[1.5,-0,1e400]`, `{"a":null,"a":1}`, `"\ud83c\udfb8"`, `"\ud83c"`, "\xff", `{"a":{"b":[null]}}`, ``, `null`, `{}{}`,
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
