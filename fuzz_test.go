package boxoffice_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

// What comes back from the database is not trusted to be whole: decoders refuse, they
// never panic, and what they accept they write down again with the same meaning.

func FuzzDecodeOutcome(f *testing.F) {
	for _, o := range storedOutcomes() {
		data, err := boxoffice.EncodeOutcome(o)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := boxoffice.DecodeOutcome(data)
		if err != nil {
			return
		}
		encoded, err := boxoffice.EncodeOutcome(o)
		require.NoError(t, err)
		decoded, err := boxoffice.DecodeOutcome(encoded)
		require.NoError(t, err)
		require.Equal(t, o, decoded)
	})
}
