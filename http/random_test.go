package http

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"
)

// anything lets every call succeed or be refused, as the draws have it.
func anything(f *fixture, refuse func(boxoffice.Code) *boxoffice.Error) {
	for _, s := range samples() {
		if s.arrange != nil {
			s.arrange(f)
		}
	}
	place := f.place
	f.place = func(id int64, ref boxoffice.PlaceRef) (boxoffice.Place, error) {
		if r := refuse(boxoffice.CodeQueueTokenExpired); r != nil {
			return boxoffice.Place{}, r
		}
		return place(id, ref)
	}
	hold, pay := f.hold, f.pay
	f.hold = func(id int64, cmd holding) (boxoffice.Outcome, error) {
		outcome, err := hold(id, cmd)
		outcome.Refusal = refuse(boxoffice.CodeSeatTaken)
		return outcome, err
	}
	f.pay = func(id int64, cmd selling) (boxoffice.Outcome, error) {
		outcome, err := pay(id, cmd)
		outcome.Refusal = refuse(boxoffice.CodeHoldExpired)
		return outcome, err
	}
	f.schedules = func(boxoffice.ScheduleFilter, time.Time, boxoffice.PageRequest) (boxoffice.Page[boxoffice.ScheduleInfo], error) {
		return page(scheduleInfo()), nil
	}
}

// bodyOf draws a body: right, nearly right, JSON, or bytes.
func bodyOf(t *rapid.T, right string) string {
	values := rapid.SampledFrom([]string{
		`null`, `0`, `-1`, `50`, `1.5`, `1e400`, `9223372036854775808`, `""`, `"\u0000"`, `"` + thingID.String() + `"`, `"2026-12-21T09:00:00Z"`, `true`, `[]`, `{}`, `[{"from":1,"to":1,"price":1}]`,
	})
	names := rapid.SampledFrom([]string{
		"name", "amount", "seatNumber", "reservationId", "title", "price", "artist", "startsAt", "endsAt", "timeZone", "seatPrices", "capacity", "paused", "Amount", "a.b", "",
	})
	switch rapid.IntRange(0, 4).Draw(t, "kind of body") {
	case 0, 1:
		return right
	case 2:
		var members []string
		for range rapid.IntRange(0, 5).Draw(t, "members") {
			members = append(members, `"`+names.Draw(t, "name")+`":`+values.Draw(t, "value"))
		}
		return "{" + strings.Join(members, ",") + "}"
	case 3:
		return values.Draw(t, "body")
	default:
		return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes"))
	}
}

// targetOf draws a target near the right one.
func targetOf(t *rapid.T, right string) string {
	parts := strings.Split(right, "/")
	if rapid.IntRange(0, 3).Draw(t, "spoil the path") == 0 {
		i := rapid.IntRange(1, len(parts)-1).Draw(t, "part")
		parts[i] = rapid.SampledFrom([]string{"x", "8", "0", "-1", "%00", "%ff", "%2e%2e", "me", thingID.String(), otherID.String(), "..", "9223372036854775808"}).Draw(t, "instead")
	}
	query := rapid.SampledFrom([]string{"", "?limit=0", "?limit=5&cursor=x", "?%zz=1&limit=%zz", "?date=2026-02-30", "?available=true&from=2026-01-02&to=2026-01-01", "?status=held", "?status=x", "?;;=&&"})
	return strings.Join(parts, "/") + query.Draw(t, "query")
}

// TestRandomRequestsNeverBreak sends 10 000 requests that are right, nearly right or
// nonsense. Whatever they are, the answer is in the document, and none is the API's
// fault.
func TestRandomRequestsNeverBreak(t *testing.T) {
	t.Parallel()
	const perCheck = 100 // rapid makes 100 checks
	ticks := 0
	f := setup(t, func(config *Config) { // streams need not wait
		config.Stopwatch = func() time.Time { ticks++; return start.Add(time.Duration(ticks) * time.Second) }
	})
	all := samples()
	right := map[string][]option{} // signing takes longer than everything else
	for _, s := range all {
		right[s.id] = f.right(s)
	}
	headers := []option{
		f.as(userID), f.as(otherID), f.as(strangeID), f.admin(), without("Authorization"), with("Authorization", "Bearer x"),
		f.queue(waitingClaims()), f.queue(admittedClaims()), without(queueTokenHeader), with(queueTokenHeader, "x.y.z"),
		key("k"), key(""), key("\xff"), with("Content-Type", "text/plain"), with("Content-Type", ""), with("If-None-Match", "*"), with("Accept", "text/html, application/problem+json"),
	}
	statuses := map[int]int{}
	rapid.Check(t, func(rt *rapid.T) {
		anything(f, func(code boxoffice.Code) *boxoffice.Error {
			if rapid.IntRange(0, 3).Draw(rt, "refuse") == 0 {
				return boxoffice.Errorf(code, "refused")
			}
			return nil
		})
		for range perCheck {
			s := rapid.SampledFrom(all).Draw(rt, "call")
			method := s.method
			if rapid.IntRange(0, 9).Draw(rt, "spoil the method") == 0 {
				method = rapid.SampledFrom([]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "FOO"}).Draw(rt, "method")
			}
			options := slices.Clone(right[s.id])
			for range rapid.IntRange(0, 2).Draw(rt, "headers") {
				options = append(options, rapid.SampledFrom(headers).Draw(rt, "header"))
			}
			a := f.do(method, targetOf(rt, s.target), bodyOf(rt, s.body), options...)
			require.Less(rt, a.Code, 500, a.Body.String())
			statuses[a.Code]++
		}
	})
	for _, status := range []int{200, 201, 204, 304, 400, 401, 403, 404, 405, 410, 415, 422} {
		require.NotZero(t, statuses[status], "%d: %s was never reached", status, http.StatusText(status))
	}
}
