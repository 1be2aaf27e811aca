package http

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

// document is the OpenAPI document as clients get it.
func (f *fixture) document() map[string]any {
	f.t.Helper()
	require.NoError(f.t, f.api.writeDocument())
	return decode[map[string]any](f.do("GET", "/openapi.json", ""))
}

func TestEveryRouteIsInTheDocument(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var routes, documented []string
	require.NoError(t, chi.Walk(f.api.router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routes = append(routes, method+" "+route)
		return nil
	}))
	for path, item := range f.document()["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	require.ElementsMatch(t, routes, documented)
}

// TestDocumentIsSound checks what OpenAPI 3.1 asks for and tools stumble over.
func TestDocumentIsSound(t *testing.T) {
	t.Parallel()
	f := setup(t)
	document := f.document()
	require.Equal(t, "3.1.0", document["openapi"])
	info := document["info"].(map[string]any)
	require.NotEmpty(t, info["title"])
	require.NotEmpty(t, info["version"])
	tags := map[string]bool{}
	for _, tag := range document["tags"].([]any) {
		tags[tag.(map[string]any)["name"].(string)] = true
	}
	ids := map[string]bool{}
	for path, item := range document["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			name := method + " " + path
			op := operation.(map[string]any)
			id := op["operationId"].(string)
			require.NotEmpty(t, op["summary"], name)
			require.False(t, ids[id], name)
			ids[id] = true
			for _, tag := range op["tags"].([]any) {
				require.True(t, tags[tag.(string)], name)
			}
			checkParameters(t, name, path, op)
			checkResponses(t, name, op)
		}
	}
	checkReferences(t, document, document)
	schemas := document["components"].(map[string]any)["schemas"].(map[string]any)
	for _, name := range []string{"ErrorModel", "ErrorDetail"} {
		require.NotContains(t, schemas, name)
	}
	checkSchemas(t, "", schemas)
}

func checkParameters(t *testing.T, name, path string, op map[string]any) {
	t.Helper()
	var inPath []string
	seen := map[string]bool{}
	parameters, _ := op["parameters"].([]any)
	for _, p := range parameters {
		parameter := p.(map[string]any)
		id := fmt.Sprint(parameter["in"], " ", parameter["name"])
		require.False(t, seen[id], "%s: %s twice", name, id)
		seen[id] = true
		require.NotEmpty(t, parameter["schema"], "%s: %s", name, id)
		if parameter["in"] == "path" {
			require.Equal(t, true, parameter["required"], "%s: %s", name, id)
			inPath = append(inPath, parameter["name"].(string))
		}
	}
	require.ElementsMatch(t, pathParams(path), inPath, name)
}

func checkResponses(t *testing.T, name string, op map[string]any) {
	t.Helper()
	responses := op["responses"].(map[string]any)
	successes := 0
	for status, r := range responses {
		code, err := strconv.Atoi(status)
		require.NoError(t, err, name)
		response := r.(map[string]any)
		require.NotEmpty(t, response["description"], name)
		require.Contains(t, response["headers"], requestIDHeader, name)
		content, _ := response["content"].(map[string]any)
		switch {
		case code == http.StatusNoContent || code == http.StatusNotModified:
			require.Empty(t, content, name)
		case code < 300:
			require.Len(t, content, 1, name)
			if content[eventsType] != nil {
				require.Contains(t, response["headers"], "Cache-Control", name)
				require.Contains(t, response["headers"], bufferingHeader, name)
			}
		default:
			problems := content[problemType].(map[string]any)
			require.NotEmpty(t, problems["examples"], name)
			for id, example := range problems["examples"].(map[string]any) {
				value := example.(map[string]any)["value"].(map[string]any)
				require.Equal(t, id, value["code"], name)
				require.InDelta(t, code, value["status"], 0, name)
			}
		}
		if code < 300 {
			successes++
		}
	}
	require.Positive(t, successes, name)
}

// checkReferences fails for a $ref that leads nowhere.
func checkReferences(t *testing.T, document map[string]any, node any) {
	t.Helper()
	switch node := node.(type) {
	case map[string]any:
		if reference, ok := node["$ref"].(string); ok {
			var target any = document
			for part := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
				target = target.(map[string]any)[part]
			}
			require.NotNil(t, target, reference)
		}
		for _, inner := range node {
			checkReferences(t, document, inner)
		}
	case []any:
		for _, inner := range node {
			checkReferences(t, document, inner)
		}
	}
}

// checkSchemas fails for a required member that does not exist, a pattern that is none,
// and an object that takes unknown members.
func checkSchemas(t *testing.T, where string, node any) {
	t.Helper()
	schema, ok := node.(map[string]any)
	if !ok {
		return
	}
	if properties, ok := schema["properties"].(map[string]any); ok && schema["type"] != nil {
		require.Equal(t, false, schema["additionalProperties"], where)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			require.Contains(t, properties, name, where)
		}
	}
	if pattern, ok := schema["pattern"].(string); ok {
		_, err := regexp.Compile(pattern)
		require.NoError(t, err, where)
	}
	for name, inner := range schema {
		checkSchemas(t, where+"/"+name, inner)
	}
}

// TestExamplesFitTheirSchemas checks requests and answers of the document.
func TestExamplesFitTheirSchemas(t *testing.T) {
	t.Parallel()
	f := setup(t)
	check := func(name string, media *huma.MediaType, mode huma.ValidateMode, example any) {
		if media == nil || media.Schema == nil || example == nil {
			return
		}
		text, err := json.Marshal(example)
		require.NoError(t, err)
		var value any
		require.NoError(t, json.Unmarshal(text, &value))
		result := &huma.ValidateResult{}
		huma.Validate(f.api.schemas, media.Schema, huma.NewPathBuffer(nil, 0), mode, value, result)
		if strings.HasSuffix(name, "getSeats 200") { // two seats are enough to read
			require.Len(t, result.Errors, 1)
			return
		}
		require.Empty(t, result.Errors, name)
	}
	for _, item := range f.api.openapi.Paths {
		for _, op := range operationsOf(item) {
			if op.RequestBody != nil {
				media := op.RequestBody.Content["application/json"]
				require.NotNil(t, media.Example, op.OperationID)
				check(op.OperationID, media, huma.ModeWriteToServer, media.Example)
			}
			for status, response := range op.Responses {
				if media := response.Content["application/json"]; media != nil {
					check(op.OperationID+" "+status, media, huma.ModeReadFromServer, media.Example)
				}
				if media := response.Content[problemType]; media != nil {
					for _, example := range media.Examples {
						check(op.OperationID+" "+status, media, huma.ModeReadFromServer, example.Value)
					}
				}
			}
		}
	}
}

func TestEveryCodeIsInTheTable(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../error.go")
	require.NoError(t, err)
	var want, have []string
	for _, match := range regexp.MustCompile(`Code = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		want = append(want, match[1])
	}
	for _, kind := range problemKinds() {
		have = append(have, string(kind.code))
		require.NotEmpty(t, kind.title)
		require.NotEmpty(t, kind.meaning)
		require.NotEmpty(t, http.StatusText(kind.status))
	}
	slices.Sort(want)
	slices.Sort(have)
	require.Equal(t, want, have)
}

// The contract's own words, so that a typing error shows.
func TestStatusesOfCodes(t *testing.T) {
	t.Parallel()
	want := map[int][]boxoffice.Code{
		400: {"malformed-request", "idempotency-key-required"},
		401: {"unauthenticated", "queue-token-required", "queue-token-invalid"},
		402: {"insufficient-points"},
		403: {"forbidden", "not-admitted", "queue-token-expired"},
		404: {"not-found", "user-not-found", "concert-not-found", "schedule-not-found", "reservation-not-found", "payment-not-found"},
		405: {"method-not-allowed"},
		409: {"sold-out", "sales-closed", "seat-taken", "already-reserved", "already-paid", "already-cancelled", "cancellation-closed"},
		410: {"hold-expired"},
		413: {"body-too-large"},
		415: {"unsupported-media-type"},
		422: {"invalid-request", "balance-limit", "idempotency-key-reused"},
		429: {"rate-limited"},
		500: {"internal"},
		503: {"unavailable", "queue-full"},
	}
	have := map[int][]boxoffice.Code{}
	for _, kind := range problemKinds() {
		have[kind.status] = append(have[kind.status], kind.code)
	}
	require.Equal(t, want, have)
}

func TestDocsNeedNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	f := setup(t)
	require.NoError(t, f.api.writeDocument())
	page := f.do("GET", "/docs", "")
	require.Equal(t, "text/html; charset=utf-8", page.Header().Get("Content-Type"))
	policy := page.Header().Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'")
	require.NotContains(t, policy, "http")
	require.NotContains(t, policy, "unsafe-eval")
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1)
	require.Len(t, links, 4)
	for _, link := range links {
		require.True(t, strings.HasPrefix(link[1], "/docs/"), link[1])
		require.Equal(t, 200, f.do("GET", link[1], "").Code, link[1])
	}
	require.NotContains(t, f.do("GET", "/docs/start.js", "").Body.String(), "://")

	plain := f.do("GET", "/docs/swagger-ui-bundle.js", "")
	require.Equal(t, "text/javascript; charset=utf-8", plain.Header().Get("Content-Type"))
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	packed := f.do("GET", "/docs/swagger-ui-bundle.js", "", with("Accept-Encoding", "br, gzip"))
	require.Equal(t, "gzip", packed.Header().Get("Content-Encoding"))
	require.Less(t, packed.Body.Len(), 500_000)
	reader, err := gzip.NewReader(packed.Body)
	require.NoError(t, err)
	unpacked, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.Len(t, unpacked, plain.Body.Len())
	for _, name := range []string{"LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"} {
		require.Equal(t, "text/plain; charset=utf-8", f.do("GET", "/docs/"+name, "").Header().Get("Content-Type"))
	}
	require.Equal(t, 304, f.do("GET", "/docs/swagger-ui.css", "", with("If-None-Match", "*")).Code)
}

func TestProblemsAreDescribed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, kind := range problemKinds() {
		require.Equal(t, 200, f.do("GET", problemURI(kind.code), "").Code)
	}
}
