package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"boxoffice/internal/mangle"
	"boxoffice/persistence/postgrestest"
)

// route is a call of the program with everything that makes it right.
type route struct {
	method, pattern string
	path            string
	body            string   // empty: it takes none
	headers         []string // without a key: each request has one of its own
	query           []string // parameters that it takes
	isAPI           bool
}

// wire is one connection to a node, on which requests are sent as they are: a client's library
// would tidy them up first.
type wire struct {
	t       *testing.T
	address string
	conn    net.Conn
	answers *bufio.Reader
}

// send returns the status of a request's answer, and its problem's code.
func (w *wire) send(method, target, body string, headers ...string) reply {
	w.t.Helper()
	if w.conn == nil {
		var err error
		w.conn, err = dial(w.t, w.address)
		require.NoError(w.t, err)
		w.answers = bufio.NewReader(w.conn)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, target, w.address, len(body))
	for i := 0; i < len(headers); i += 2 {
		fmt.Fprintf(&text, "%s: %s\r\n", headers[i], headers[i+1])
	}
	_, err := io.WriteString(w.conn, text.String()+"\r\n"+body)
	require.NoError(w.t, err, "%s %s", method, target)
	answer, err := http.ReadResponse(w.answers, &http.Request{Method: method})
	require.NoError(w.t, err, "%s %s", method, target)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(w.t, err)
	if answer.Close {
		w.close()
	}
	return reply{status: answer.StatusCode, header: answer.Header}
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// TestNothingMangledHasAnEffect sends to every route what is nearly right: paths spelt in every
// other way, queries that cannot be decoded, parameters that are empty or there twice, headers
// that are there twice. Token, place, key and body are good, so whatever got through would
// change something.
func TestNothingMangledHasAnEffect(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	h := reopenHouse(t, t.TempDir(), "BOXOFFICE_DATABASE_URL="+url)
	routes := h.routes(t)
	requireAnsweredHalfClosed(t, h)
	requireNoHTTP(t, h)
	before := counted(t, url)
	w := &wire{t: t, address: strings.TrimPrefix(h.url, "http://")}
	defer w.close()
	for _, r := range routes {
		r.mangle(w)
	}
	require.Equal(t, before, counted(t, url))
}

// counted returns how many rows there are of everything that a call can make or change. Every
// change of a seat or a place is an event.
func counted(t *testing.T, url string) map[string]int {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer connection.Close(t.Context())
	counts := make(map[string]int)
	for _, table := range []string{
		"users", "accounts", "ledger_entries", "events", "concerts", "schedules", "idempotency_keys", "reservations", "payments", "queue_places",
	} {
		var count int
		require.NoError(t, connection.QueryRow(t.Context(), "SELECT count(*)::int FROM "+table).Scan(&count))
		counts[table] = count
	}
	return counts
}

// routes are those of the node's own document, as somebody calls them who may do everything
// that they do.
func (h *house) routes(t *testing.T) []route {
	t.Helper()
	s := h.stage(t, nil)
	people := h.audience(t, s, 2)
	buyer, owner := people[0], people[1]
	chargeAll(t, people, 10*seatPrice)
	held, paid := buyer.hold(s, 1), owner.pay(owner.hold(s, 2).ReservationID)
	owner.join(s) // again: all that they do is still to do
	values := strings.NewReplacer("{concertId}", itoa(s.ConcertID), "{scheduleId}", itoa(s.ScheduleID), "{userId}", buyer.id,
		"{reservationId}", held.ReservationID, "{paymentId}", paid.PaymentID, "{code}", "seat-taken", "{asset}", "start.js")
	bodies := map[string]string{
		"registerUser":   `{"name":"Mina"}`,
		"chargePoints":   `{"amount":100}`,
		"holdSeat":       `{"seatNumber":3}`,
		"pay":            `{"reservationId":"` + held.ReservationID + `"}`,
		"createConcert":  `{"title":"T","price":1}`,
		"createSchedule": `{"startsAt":"2126-12-21T18:00:00Z","endsAt":"2126-12-21T20:00:00Z","timeZone":"Asia/Seoul"}`,
		"configureQueue": `{"capacity":7}`,
	}
	document := into[struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			RequestBody any    `json:"requestBody"`
			Parameters  []struct{ Name, In string }
		}
	}](t, h.call(http.MethodGet, "/openapi.json", nil))
	var routes []route
	for pattern, item := range document.Paths {
		for method, op := range item {
			r := route{method: strings.ToUpper(method), pattern: pattern, path: values.Replace(pattern), isAPI: strings.HasPrefix(pattern, "/api/")}
			require.NotContains(t, r.path, "{", "no value of a parameter is known")
			r.body = bodies[op.OperationID]
			require.Equal(t, op.RequestBody != nil, r.body != "", "no body of %s is known", op.OperationID)
			for _, parameter := range op.Parameters {
				if parameter.In == "query" {
					r.query = append(r.query, parameter.Name)
				}
			}
			who := buyer
			switch {
			case strings.Contains(pattern, "/admin/"):
				who = h.organiser(t)
			case strings.HasPrefix(pattern, "/api/v1/payments/"):
				who = owner
			}
			r.headers = []string{"Authorization", "Bearer " + who.token, queueToken, buyer.place, "Content-Type", "application/json"}
			routes = append(routes, r)
		}
	}
	require.Greater(t, len(routes), 30)
	return routes
}

// mangle sends everything that is nearly a right request of the route.
func (r route) mangle(w *wire) {
	w.t.Helper()
	send := func(wanted int, target, body string, more ...string) {
		w.t.Helper()
		headers := slices.Concat(r.headers, []string{idempotencyKey, newKey()}, more)
		got := w.send(r.method, target, body, headers...)
		require.Equal(w.t, wanted, got.status, "%s %s %s %q", r.method, target, body, more)
		require.Equal(w.t, "application/problem+json", got.header.Get("Content-Type"))
	}
	for _, path := range mangle.Paths(r.pattern, r.path) {
		send(http.StatusNotFound, path, r.body)
	}
	got := w.send("BREW", r.path, r.body, r.headers...)
	require.Equal(w.t, http.StatusMethodNotAllowed, got.status, r.path)
	require.Contains(w.t, got.header.Get("Allow"), r.method)
	if !r.isAPI {
		return
	}
	for _, query := range mangle.Queries() {
		send(http.StatusUnprocessableEntity, r.path+query, r.body)
	}
	for _, name := range r.query {
		for _, query := range []string{"?" + name, "?" + name + "=", "?" + name + "=1&" + name + "=1", "?" + name + "=%zz", "?" + name + "=%ff"} {
			send(http.StatusUnprocessableEntity, r.path+query, r.body)
		}
	}
	for _, header := range []string{"Authorization", queueToken} {
		at := slices.Index(r.headers, header)
		send(http.StatusBadRequest, r.path, r.body, header, r.headers[at+1])
		send(http.StatusBadRequest, r.path, r.body, strings.ToLower(header), "x")
	}
	send(http.StatusBadRequest, r.path, r.body, idempotencyKey, newKey())
	if r.body == "" {
		return
	}
	send(http.StatusUnsupportedMediaType, r.path, r.body, "Content-Type", "application/json")
	send(http.StatusUnsupportedMediaType, r.path, r.body, "Content-Type", "text/plain")
	send(http.StatusBadRequest, r.path, r.body+"{}")
	send(http.StatusBadRequest, r.path, r.body[:len(r.body)-1])
	send(http.StatusUnprocessableEntity, r.path, r.body[:len(r.body)-1]+`,"surprise":1}`)
}

// requireNoHTTP sends what is no request at all, and gets what the document says of that.
func requireNoHTTP(t *testing.T, h *house) {
	t.Helper()
	described := h.call(http.MethodGet, "/openapi.json", nil).body["info"].(map[string]any)["description"].(string)
	const post = "POST /api/v1/users HTTP/1.1\r\nHost: x\r\n"
	for status, text := range map[int]string{
		400: "POST /api/v1/users HTTP/1.1\r\n\r\n", // no Host
		417: post + "Expect: the worst\r\nContent-Length: 2\r\n\r\n{}",
		431: post + "X: " + strings.Repeat("x", 32<<10) + "\r\n\r\n",
		501: post + "Transfer-Encoding: smoke\r\n\r\n",
		505: "POST /api/v1/users HTTP/3.0\r\nHost: x\r\n\r\n",
	} {
		conn, err := dial(t, strings.TrimPrefix(h.url, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, text)
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, status)
		require.NoError(t, answer.Body.Close())
		require.NoError(t, conn.Close())
		require.Equal(t, status, answer.StatusCode)
		require.Contains(t, described, fmt.Sprint(status))
	}
}

// requireAnsweredHalfClosed sends a request as `nc -N` does, which closes its half of the
// connection when it has sent everything.
func requireAnsweredHalfClosed(t *testing.T, h *house) {
	t.Helper()
	conn, err := dial(t, strings.TrimPrefix(h.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	const payload = `{"name":"Netcat"}`
	_, err = fmt.Fprintf(conn, "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(payload), payload)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusCreated, answer.StatusCode)
}
