package failpoint_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice/internal/failpoint"
)

func TestAPlaceThatIsNotArmedDoesNothing(t *testing.T) {
	t.Parallel()
	failpoint.Hit(failpoint.BeforeAppend)
	require.WithinDuration(t, time.Now(), failpoint.Now(), time.Minute)
}
