package apiclient_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice/internal/apiclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestARequestIsSentAsTheContractWants(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusConflict)
			return
		}
		for _, name := range []string{"Authorization", "Queue-Token", "Idempotency-Key", "Content-Type", "If-None-Match"} {
			w.Header().Add("Sent", r.Header.Get(name))
		}
		_, _ = w.Write(body)
	}))
	defer server.Close()
	c := apiclient.New(1, time.Minute)
	defer c.Close()
	answer, err := c.Do(t.Context(), apiclient.Request{
		Method: http.MethodPost, URL: server.URL, Body: map[string]int{"amount": 1}, AccessToken: "a", QueueToken: "q", Key: "k",
		Headers: []string{"If-None-Match", `"1"`},
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status)
	require.JSONEq(t, `{"amount":1}`, string(answer.Body))
	require.Equal(t, []string{"Bearer a", "q", "k", "application/json", `"1"`}, answer.Header.Values("Sent"))

	answer, err = c.Do(t.Context(), apiclient.Request{Method: http.MethodGet, URL: server.URL})
	require.NoError(t, err)
	require.Equal(t, []string{"", "", "", "", ""}, answer.Header.Values("Sent"))

	var back struct{ Amount int }
	require.NoError(t, c.Want(t.Context(), apiclient.Request{Method: http.MethodPost, URL: server.URL, Body: []byte(`{"amount":2}`)}, &back))
	require.Equal(t, 2, back.Amount)
	require.ErrorContains(t, c.Want(t.Context(), apiclient.Request{Method: http.MethodGet, URL: server.URL + "/refused"}, nil), "/refused: 409")
}

// TestWhatHasABodyIsSentOnce although it has an idempotency key, by which net/http would send
// it again on its own when a kept connection turns out to be closed.
func TestWhatHasABodyIsSentOnce(t *testing.T) {
	t.Parallel()
	asked := 0 // on one connection at a time
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if asked++; asked > 1 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	c := apiclient.New(1, time.Minute)
	defer c.Close()
	charge := apiclient.Request{Method: http.MethodPost, URL: server.URL, Body: map[string]int{"amount": 1}, Key: "k"}
	_, err := c.Do(t.Context(), charge)
	require.NoError(t, err)
	_, err = c.Do(t.Context(), charge)
	require.Error(t, err)
	server.Close()
	require.Equal(t, 2, asked)
}
