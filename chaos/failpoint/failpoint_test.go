package failpoint_test

import (
	"testing"
	"time"

	"boxoffice/chaos/failpoint"

	"github.com/stretchr/testify/require"
)

func TestAPlaceThatIsNotArmedDoesNothing(t *testing.T) {
	t.Parallel()
	failpoint.Hit(failpoint.BeforeAppend)
	require.WithinDuration(t, time.Now(), failpoint.Now(), time.Minute)
}
