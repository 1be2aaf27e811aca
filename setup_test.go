package boxoffice_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"boxoffice/internal/fixture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const holdTTL = 5 * time.Minute

var (
	at          = fixture.At
	id          = fixture.ID
	user        = fixture.User
	reservation = fixture.Reservation
	payment     = fixture.Payment
	terms       = fixture.Terms
)
