package http

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

// sampleOf finds the sample of an operation.
func sampleOf(t testing.TB, id string) sample {
	t.Helper()
	for _, s := range samples() {
		if s.id == id {
			return s
		}
	}
	t.Fatalf("there is no sample of %s", id)
	return sample{}
}

// wrongNumbers are values that are no whole number from least to most, as JSON.
func wrongNumbers(least, most int64) []string {
	return []string{
		`"5"`, `""`, `"five"`, `true`, `[]`, `[5]`, `{}`, `1.5`, `5.5e0`, `5e-1`, `1e400`, `-1e400`, `1e-400`, `0.1`,
		`9223372036854775808`, `-9223372036854775809`, `100000000000000000000000000000`, `-5`, `-1`,
		fmt.Sprint(least - 1), fmt.Sprint(most + 1), `9223372036854775807`, `-9223372036854775808`,
	}
}

// wrongTexts are values that are no text of at most most characters, as JSON.
func wrongTexts(most int) []string {
	return []string{
		`5`, `true`, `[]`, `["x"]`, `{}`, `1.5`, `"\u0000"`, `"a\u0000b"`, `"` + strings.Repeat("x", most+1) + `"`, `"` + strings.Repeat("é", most+1) + `"`,
	}
}

// wrongTimes are values that are no time, as JSON.
func wrongTimes() []string {
	return []string{
		`5`, `true`, `{}`, `[]`, `""`, `"tomorrow"`, `"2026-12-21"`, `"2026-12-21T09:00:00"`, `"2026-02-30T09:00:00Z"`, `"2026-12-21T25:00:00Z"`,
		`"2026-12-21 09:00:00Z"`, `"\u0000"`, `1798000000`, `"12026-12-21T09:00:00Z"`, `"0000-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59-14:00"`,
	}
}

// wrongValue is a body of an operation and where it is wrong.
type wrongValue struct{ id, body, location string }

func wrongValues() []wrongValue {
	var all []wrongValue
	add := func(id, template, location string, values ...string) {
		for _, value := range values {
			all = append(all, wrongValue{id, strings.ReplaceAll(template, "?", value), strings.ReplaceAll(location, "?", value)})
		}
	}
	for id, whole := range map[string]string{
		"registerUser": "body.name", "chargePoints": "body.amount", "holdSeat": "body.seatNumber", "pay": "body.reservationId", "createConcert": "body.title",
	} {
		add(id, `{}`, whole, "")
		add(id, `?`, "body", `null`, `[]`, `"x"`, `5`, `true`)
	}
	add("joinQueue", `?`, "body", `[]`, `"x"`, `5`)
	add("joinQueue", `{"userId":"x"}`, "body.userId", "")
	add("cancelPayment", `{"amount":5}`, "body.amount", "")
	add("configureQueue", `?`, "body", `null`, `[]`, `5`)

	add("registerUser", `{"name":?}`, "body.name", append(wrongTexts(100), `null`, `""`, `" "`, `"\u00a0\t"`, `"a\nb"`)...)
	add("registerUser", `{"name":"x","?":1}`, "body.?", "Name", "colour", "userId", "")
	add("chargePoints", `{"amount":?}`, "body.amount", append(wrongNumbers(1, 10_000_000), `null`, `-0`, `0`)...)
	add("chargePoints", `{"Amount":5}`, "body.Amount", "")
	add("holdSeat", `{"seatNumber":?}`, "body.seatNumber", append(wrongNumbers(1, 50), `null`, `0`)...)
	add("pay", `{"reservationId":?}`, "body.reservationId", append(wrongTexts(36), `null`, `""`, `"x"`,
		`"urn:uuid:01939d3a-5c6e-7c33-8f00-5b2f6d1c9e05"`, `"{01939d3a-5c6e-7c33-8f00-5b2f6d1c9e05}"`, `"01939d3a5c6e7c338f005b2f6d1c9e05"`,
		`"01939d3a-5c6e-7c33-8f00-5b2f6d1c9e0g"`)...)

	add("createConcert", `{"price":5,"title":?}`, "body.title", append(wrongTexts(200), `null`, `""`, `"  "`)...)
	add("createConcert", `{"price":5,"title":"x","artist":?}`, "body.artist", wrongTexts(200)...)
	add("createConcert", `{"price":5,"title":"x","description":?}`, "body.description", wrongTexts(5000)...)
	add("createConcert", `{"title":"x","price":?}`, "body.price", append(wrongNumbers(0, 1_000_000_000), `null`)...)

	const schedule = `{"startsAt":"2026-12-21T09:00:00Z","endsAt":"2026-12-21T11:00:00Z","timeZone":"Asia/Seoul",?}`
	add("createSchedule", `{"endsAt":"2026-12-21T11:00:00Z","timeZone":"Asia/Seoul","startsAt":?}`, "body.startsAt", append(wrongTimes(), `null`, `"2026-11-21T09:00:00Z"`)...)
	add("createSchedule", `{"startsAt":"2026-12-21T09:00:00Z","timeZone":"Asia/Seoul","endsAt":?}`, "body.endsAt", append(wrongTimes(), `null`, `"2026-12-21T09:00:00Z"`)...)
	add("createSchedule", `{"startsAt":"2026-12-21T09:00:00Z","endsAt":"2026-12-21T11:00:00Z","timeZone":?}`, "body.timeZone",
		append(wrongTexts(64), `null`, `""`, `"Local"`, `"Nowhere/Land"`, `"../etc/passwd"`, `"localtime"`, `"posixrules"`)...)
	add("createSchedule", `{"startsAt":"2026-12-21T09:00:00Z","endsAt":"2026-12-21T11:00:00Z"}`, "body.timeZone", "")
	add("createSchedule", strings.Replace(schedule, "?", `"salesOpenAt":?`, 1), "body.salesOpenAt", wrongTimes()...)
	add("createSchedule", strings.Replace(schedule, "?", `"salesCloseAt":?`, 1), "body.salesCloseAt",
		append(wrongTimes(), `"2026-11-21T09:00:00Z"`, `"2026-12-21T09:00:01Z"`)...)
	add("createSchedule", strings.Replace(schedule, "?", `"salesOpenAt":"2026-12-01T00:00:00Z","salesCloseAt":"2026-12-01T00:00:00Z"`, 1), "body.salesCloseAt", "")
	add("createSchedule", strings.Replace(schedule, "?", `"price":?`, 1), "body.price", wrongNumbers(0, 1_000_000_000)...)
	add("createSchedule", strings.Replace(schedule, "?", `"capacity":?`, 1), "body.capacity", append(wrongNumbers(1, 100_000), `0`)...)
	add("createSchedule", strings.Replace(schedule, "?", `"admitPerSecond":?`, 1), "body.admitPerSecond", wrongNumbers(0, boxoffice.MaxAdmitPerSecond)...)
	add("createSchedule", strings.Replace(schedule, "?", `"seatPrices":?`, 1), "body.seatPrices", `5`, `{}`, `"x"`)
	add("createSchedule", strings.Replace(schedule, "?", `"seatPrices":[?]`, 1), "body.seatPrices[0]", `null`, `5`, `[]`, `"x"`)
	add("createSchedule", strings.Replace(schedule, "?", `"seatPrices":[{"to":5,"price":5,"from":?}]`, 1), "body.seatPrices[0].from", append(wrongNumbers(1, 50), `null`)...)
	add("createSchedule", strings.Replace(schedule, "?", `"seatPrices":[{"from":5,"price":5,"to":?}]`, 1), "body.seatPrices[0].to", append(wrongNumbers(1, 50), `null`, `4`)...)
	add("createSchedule", strings.Replace(schedule, "?", `"seatPrices":[{"from":5,"to":5,"price":?}]`, 1), "body.seatPrices[0].price", append(wrongNumbers(0, 1_000_000_000), `null`)...)
	add("createSchedule", strings.Replace(schedule, "?", `"seatPrices":[{"from":1,"to":5,"price":5,"row":1}]`, 1), "body.seatPrices[0].row", "")
	add("createSchedule", strings.Replace(schedule, "?", `"seatPrices":[{"from":1,"to":5,"price":5},{"from":5,"to":9,"price":5}]`, 1), "body.seatPrices[1].from", "")

	add("configureQueue", `{"capacity":?}`, "body.capacity", append(wrongNumbers(1, 100_000), `0`)...)
	add("configureQueue", `{"admitPerSecond":?}`, "body.admitPerSecond", wrongNumbers(0, boxoffice.MaxAdmitPerSecond)...)
	add("configureQueue", `{"paused":?}`, "body.paused", `0`, `1`, `"true"`, `[]`, `{}`)
	add("configureQueue", `{"state":"open"}`, "body.state", "")
	return all
}

// Nothing may be called for a wrong value except what has to decide it: the organiser,
// whose rules are the domain's.
func TestWrongValuesAreToldWithTheirPlace(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, id := range []string{"createConcert", "createSchedule"} {
		sampleOf(t, id).arrange(f)
	}
	allowSeats(f)
	for _, wrong := range wrongValues() {
		t.Run(wrong.id+" "+clip(wrong.body), func(t *testing.T) {
			f := f.in(t)
			s := sampleOf(t, wrong.id)
			p := f.do(s.method, s.target, wrong.body, f.right(s)...).refused(422, boxoffice.CodeInvalidRequest)
			var locations []string
			for _, e := range p.Errors {
				require.NotEmpty(t, e.Message)
				locations = append(locations, e.Location)
			}
			require.Contains(t, locations, wrong.location, "%s", p.Detail)
		})
	}
}

func TestEveryWrongValueIsTold(t *testing.T) {
	t.Parallel()
	f := setup(t)
	body := `{"artist":5,"price":-1,"colour":"red","nested":{"a":[1,2]}}`
	p := f.do("POST", "/api/v1/admin/concerts", body, f.admin()).refused(422, boxoffice.CodeInvalidRequest)
	require.Equal(t, []valueError{
		{"body.artist", "expected string"},
		{"body.colour", "unexpected property"},
		{"body.nested", "unexpected property"},
		{"body.price", "expected number >= 0"},
		{"body.title", "is required"},
	}, p.Errors)
}

func TestManyWrongValuesAreCutShort(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var body strings.Builder
	body.WriteString(`{"name":"x"`)
	for i := range 500 {
		fmt.Fprintf(&body, `,"%s%d":1`, strings.Repeat("é", 50), i)
	}
	body.WriteString("}")
	p := f.do("POST", "/api/v1/users", body.String()).refused(422, boxoffice.CodeInvalidRequest)
	require.Len(t, p.Errors, maxValueErrors)
	require.LessOrEqual(t, len(p.Errors[0].Location), len("body.…")+maxEcho)
}

func TestNullIsTheSameAsAbsent(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.createConcert = func(asked boxoffice.NewConcert) (boxoffice.Concert, error) {
		require.Equal(t, boxoffice.NewConcert{Title: "x", Price: 5}, asked)
		return boxoffice.Concert{ID: 4, Title: "x", Price: 5}, nil
	}
	f.do("POST", "/api/v1/admin/concerts", `{"title":"x","price":5,"artist":null,"description":null}`, f.admin()).
		succeeded(201, `{"concertId":4,"title":"x","artist":"","description":"","price":5}`)
	f.configureQueue = func(id int64, configure boxoffice.Configure) (boxoffice.QueueStatus, error) {
		require.Equal(t, int64(knownSchedule), id)
		require.Equal(t, boxoffice.Configure{}, configure)
		return queueStatus(), nil
	}
	f.do("PATCH", "/api/v1/admin/schedules/7/queue", `{"capacity":null,"paused":null}`, f.admin()).succeeded(200, queueText)
	f.do("PATCH", "/api/v1/admin/schedules/7/queue", `{}`, f.admin()).succeeded(200, queueText)
}

func TestBodiesAreReadStrictly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.createUser = func(boxoffice.User) error { return nil }
	for name, test := range map[string]struct {
		body        string
		contentType string
		status      int
		code        boxoffice.Code
	}{
		"right":                   {`{"name":"Mina"}`, "application/json", 201, ""},
		"no content type":         {`{"name":"Mina"}`, "", 201, ""},
		"charset":                 {`{"name":"Mina"}`, "application/json; charset=utf-8", 201, ""},
		"case":                    {`{"name":"Mina"}`, "Application/JSON", 201, ""},
		"suffix":                  {`{"name":"Mina"}`, "application/vnd.boxoffice+json", 201, ""},
		"bad parameter":           {`{"name":"Mina"}`, "application/json; charset", 201, ""},
		"spaces around":           {" \n{\"name\":\"Mina\"}\t ", "application/json", 201, ""},
		"escapes":                 {`{"name":"\u4e2d\ud83c\udfb8\n"}`, "application/json", 422, boxoffice.CodeInvalidRequest},
		"pair of surrogates":      {`{"name":"\ud83c\udfb8 \\ud800"}`, "application/json", 201, ""},
		"exactly 64 KiB":          {`{"name":"Mina"}` + strings.Repeat(" ", maxBody-15), "application/json", 201, ""},
		"64 KiB and a byte":       {`{"name":"Mina"}` + strings.Repeat(" ", maxBody-14), "application/json", 413, boxoffice.CodeBodyTooLarge},
		"form":                    {"name=Mina", "application/x-www-form-urlencoded", 415, boxoffice.CodeUnsupportedMediaType},
		"text":                    {`{"name":"Mina"}`, "text/json", 415, boxoffice.CodeUnsupportedMediaType},
		"not a type":              {`{"name":"Mina"}`, "json", 415, boxoffice.CodeUnsupportedMediaType},
		"image with suffix":       {`{"name":"Mina"}`, "image/svg+json", 415, boxoffice.CodeUnsupportedMediaType},
		"form without body":       {"", "application/x-www-form-urlencoded", 415, boxoffice.CodeUnsupportedMediaType},
		"no body":                 {"", "application/json", 400, boxoffice.CodeMalformedRequest},
		"spaces only":             {"  ", "application/json", 400, boxoffice.CodeMalformedRequest},
		"unfinished":              {`{"name":"Mina"`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"trailing comma":          {`{"name":"Mina",}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"single quotes":           {`{'name':'Mina'}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"comment":                 {`{"name":"Mina"} // hello`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"second value":            {`{"name":"Mina"}{"name":"Mina"}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"NaN":                     {`{"name":NaN}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"leading zero":            {`{"name":01}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"twice":                   {`{"name":"Mina","name":"Mina"}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"twice, once null":        {`{"name":null,"name":"Mina"}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"twice, once escaped":     {`{"name":"Mina","n\u0061me":"Mina"}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"not UTF-8":               {"{\"name\":\"\xff\"}", "application/json", 400, boxoffice.CodeMalformedRequest},
		"UTF-16":                  {"\xfe\xff\x00{\x00}", "application/json", 400, boxoffice.CodeMalformedRequest},
		"byte order mark":         {"\ufeff{}", "application/json", 400, boxoffice.CodeMalformedRequest},
		"overlong":                {"{\"name\":\"\xc0\x80\"}", "application/json", 400, boxoffice.CodeMalformedRequest},
		"control character":       {"{\"name\":\"a\x01b\"}", "application/json", 400, boxoffice.CodeMalformedRequest},
		"NUL":                     {"{\"name\":\"a\x00b\"}", "application/json", 400, boxoffice.CodeMalformedRequest},
		"half a surrogate":        {`{"name":"\ud83c"}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"other half":              {`{"name":"\udfb8"}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"surrogates in bad order": {`{"name":"\udfb8\ud83c"}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"surrogate and letter":    {`{"name":"\ud83cxxxxxx"}`, "application/json", 400, boxoffice.CodeMalformedRequest},
		"very deep":               {strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000), "application/json", 400, boxoffice.CodeMalformedRequest},
		"deep":                    {`{"name":` + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000) + `}`, "application/json", 422, boxoffice.CodeInvalidRequest},
		"deep and unknown":        {`{"x":` + strings.Repeat(`{"x":`, 5_000) + `1` + strings.Repeat("}", 5_000) + `}`, "application/json", 422, boxoffice.CodeInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			option := with("Content-Type", test.contentType)
			if test.contentType == "" {
				option = without("Content-Type")
			}
			a := f.do("POST", "/api/v1/users", test.body, option)
			require.Equalf(t, test.status, a.Code, "%s", a.Body)
			if test.code != "" {
				a.refused(test.status, test.code)
			}
		})
	}
}

// A call without members is often sent with what a client library makes of "no body".
func TestCallsWithoutMembersTakeAnyEmptyBody(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.join = func(int64, uuid.UUID) (boxoffice.Place, bool, error) { return waitingPlace(), false, nil }
	for _, body := range []string{"", "{}", "null", " {} ", `{"x":null}`} {
		a := f.do("POST", "/api/v1/schedules/7/queue-tokens", body, f.as(userID))
		require.Equalf(t, 200, a.Code, "%q: %s", body, a.Body)
	}
	a := f.do("POST", "/api/v1/schedules/7/queue-tokens", "", f.as(userID), with("Content-Type", "application/x-www-form-urlencoded"))
	require.Equal(t, 200, a.Code)
}

func TestQueriesAreReadStrictly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	lists := map[string][]string{
		"/api/v1/concerts":              {"limit=0", "limit=101", "limit=05", "limit=%2B5", "limit=-1", "limit=1.5", "limit=x", "limit=99999999999999999999", "limit=%00", "limit", "limit=", "limit=5&limit=5", "cursor", "cursor=", "cursor=%ff", "cursor=a&cursor=b", "cursor=" + strings.Repeat("x", 513)},
		"/api/v1/schedules":             {"date=x", "date=2026-13-01", "date=2026-02-30", "date=0000-01-01", "date=2026-1-1", "date=20260101", "date=%ff", "available=1", "available=TRUE", "available=yes", "available=", "date=&date=2026-12-24", "date=%zz", "%zz", "a;b", "x=1;date=2026-12-24", "%zz=1"},
		"/api/v1/concerts/3/schedules":  {"from=x", "to=2026-02-30", "from=0000-01-01", "from=2026-12-02&to=2026-12-01", "available=maybe"},
		userPath("reservations"):        {"status=open", "status=HELD", "status=held,expired", "status=%ff", "status=held%", "limit=0"},
		userPath("payments"):            {"limit=0", "limit=1e2"},
		userPath("points/history"):      {"limit=0", "limit=%2050"},
		"/api/v1/schedules?limit=100&x": {"limit=x"},
	}
	for target, queries := range lists {
		for _, query := range queries {
			t.Run(target+" "+clip(query), func(t *testing.T) {
				f := f.in(t)
				path, _, _ := strings.Cut(target, "?")
				p := f.do("GET", path+"?"+query, "", f.as(userID)).refused(422, boxoffice.CodeInvalidRequest)
				require.Len(t, p.Errors, 1)
				require.True(t, strings.HasPrefix(p.Errors[0].Location, "query"))
			})
		}
	}
}

func userPath(rest string) string { return "/api/v1/users/" + userID.String() + "/" + rest }

func TestQueriesReachTheStore(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var pages []boxoffice.PageRequest
	f.concerts = func(page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Concert], error) {
		pages = append(pages, page)
		return boxoffice.Page[boxoffice.Concert]{}, nil
	}
	for _, query := range []string{"", "?limit=100&cursor=abc", "?limit=1", "?colour=red&limit=7&available=maybe"} {
		f.do("GET", "/api/v1/concerts"+query, "").succeeded(200, `{"items":[],"next":null}`)
	}
	require.Equal(t, []boxoffice.PageRequest{{Limit: 20}, {Limit: 100, Cursor: "abc"}, {Limit: 1}, {Limit: 7}}, pages)

	var filters []boxoffice.ScheduleFilter
	f.schedules = func(filter boxoffice.ScheduleFilter, _ time.Time, _ boxoffice.PageRequest) (boxoffice.Page[boxoffice.ScheduleInfo], error) {
		filters = append(filters, filter)
		return boxoffice.Page[boxoffice.ScheduleInfo]{}, nil
	}
	for _, target := range []string{
		"/api/v1/schedules", "/api/v1/schedules?date=2026-12-24&available=true", "/api/v1/schedules?available=false&from=x",
		"/api/v1/concerts/3/schedules", "/api/v1/concerts/3/schedules?from=2026-12-01&to=2026-12-01&available=true&date=x",
	} {
		f.do("GET", target, "").succeeded(http.StatusOK, `{"items":[],"next":null}`)
	}
	require.Equal(t, []boxoffice.ScheduleFilter{
		{},
		{From: "2026-12-24", To: "2026-12-24", Available: true},
		{},
		{ConcertID: 3},
		{ConcertID: 3, From: "2026-12-01", To: "2026-12-01", Available: true},
	}, filters)
}
