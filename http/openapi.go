package http

import (
	stdjson "encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"boxoffice"
)

// Tags of the document.
const (
	tagUsers      = "Users and points"
	tagCatalogue  = "Catalogue"
	tagQueue      = "Waiting room"
	tagSeats      = "Seats and reservations"
	tagPayments   = "Payments"
	tagAdmin      = "Admin"
	tagOperations = "Operations"
)

func documentTags() []*huma.Tag {
	return []*huma.Tag{
		{Name: tagUsers, Description: "Register, charge points, and see the history of points."},
		{Name: tagCatalogue, Description: "What is played and when. Public and cacheable."},
		{Name: tagQueue, Description: "Each schedule has a line in front of its seats: join, ask where you stand, and use the token of an admitted place."},
		{Name: tagSeats, Description: "50 seats per schedule, one per user. A hold lasts a few minutes."},
		{Name: tagPayments, Description: "Pay a held seat with points; cancel until the day of the performance."},
		{Name: tagAdmin, Description: "For tokens with the role admin."},
		{Name: tagOperations, Description: "For operators of a node."},
	}
}

func documentInfo(version string) *huma.Info {
	return &huma.Info{
		Title:   "Boxoffice",
		Version: version,
		Description: "Sells the seats of concerts. Times are RFC 3339 in UTC with milliseconds, points are whole numbers, " +
			"lists are pages (`items`, `next`). Every refusal is a problem (RFC 9457) whose `code` never changes; " +
			"a problem with `retryable` may be sent again, with the same `Idempotency-Key` and without the risk of doing it twice. " +
			"What is no request of HTTP/1.1 gets a status without a problem: 400, 417 (an `Expect` other than 100-continue), " +
			"431 (headers of more than 16 KiB), 501 (an unknown `Transfer-Encoding`) or 505.",
	}
}

// Names of the security schemes.
const (
	accessScheme = "accessToken"
	queueScheme  = "queueToken"
)

func securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		accessScheme: {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "The accessToken of a registration, or one of `boxoffice token`."},
		queueScheme:  {Type: "apiKey", In: "header", Name: queueTokenHeader, Description: "The newest token of a place in the schedule's waiting room."},
	}
}

// schemaName drops the suffix JSON of this package's type names.
func schemaName(t reflect.Type, hint string) string {
	return strings.ReplaceAll(huma.DefaultSchemaNamer(t, hint), "JSON", "")
}

// newDocument returns a document without operations.
func newDocument(version string) *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    documentInfo(version),
		Components: &huma.Components{
			Schemas:         huma.NewMapRegistry("#/components/schemas/", schemaName),
			SecuritySchemes: securitySchemes(),
		},
		Tags: documentTags(),
	}
}

// describe adds a call to the document. The operation need not list what follows from its
// route (parameters of the path, tokens, and their problems).
func (a *api) describe(op *operation) {
	described := &huma.Operation{
		OperationID: op.id,
		Method:      op.method,
		Path:        op.pattern,
		Tags:        []string{op.tag},
		Summary:     op.summary,
		Description: op.description,
		Security:    op.security(),
		Parameters:  op.parameters(),
		Responses:   map[string]*huma.Response{},
	}
	success := &huma.Response{
		Description: http.StatusText(op.status),
		Headers:     responseHeaders(append(op.headers, requestIDHeader)),
		Content:     op.content,
	}
	described.Responses[strconv.Itoa(op.status)] = success
	if op.repeated != 0 {
		again := *success
		again.Description = http.StatusText(op.repeated)
		described.Responses[strconv.Itoa(op.repeated)] = &again
	}
	if slices.Contains(op.headers, "ETag") {
		described.Responses["304"] = &huma.Response{
			Description: "The client's copy (If-None-Match) is current",
			Headers:     responseHeaders([]string{"ETag", requestIDHeader}),
		}
	}
	if op.bodyRule() == bodyObject {
		described.RequestBody = &huma.RequestBody{Required: true, Content: jsonContent(op.input.schema, op.request)}
	}
	a.describeProblems(op, described.Responses)
	a.openapi.AddOperation(described)
}

func (op *operation) security() []map[string][]string {
	switch {
	case op.access == public:
		return nil
	case op.access == placeHolder:
		return []map[string][]string{{queueScheme: {}}}
	case op.guarded && op.access == signedIn: // admins need no queue token
		return []map[string][]string{{accessScheme: {}, queueScheme: {}}, {accessScheme: {}}}
	case op.guarded:
		return []map[string][]string{{accessScheme: {}, queueScheme: {}}}
	default:
		return []map[string][]string{{accessScheme: {}}}
	}
}

// codes returns every problem of a call, those that follow from its route included.
func (op *operation) codes() []boxoffice.Code {
	codes := slices.Clone(op.refusals)
	if !op.isAPI() {
		return codes
	}
	add := func(when bool, more ...boxoffice.Code) {
		if when {
			codes = append(codes, more...)
		}
	}
	add(true, boxoffice.CodeRateLimited, boxoffice.CodeInternal, boxoffice.CodeUnavailable, boxoffice.CodeInvalidRequest, boxoffice.CodeMalformedRequest)
	add(op.hasPath(concertParam), boxoffice.CodeConcertNotFound)
	add(op.hasPath(scheduleParam), boxoffice.CodeScheduleNotFound)
	add(op.access != public && op.access != placeHolder, boxoffice.CodeUnauthenticated)
	add(op.access == signedIn || op.access == usersOnly, boxoffice.CodeUserNotFound)
	add(op.access == adminsOnly || op.access == usersOnly || op.hasPath(userParam), boxoffice.CodeForbidden)
	add(op.access == placeHolder, boxoffice.CodeQueueTokenRequired, boxoffice.CodeQueueTokenInvalid)
	add(op.guarded, boxoffice.CodeQueueTokenRequired, boxoffice.CodeQueueTokenInvalid, boxoffice.CodeNotAdmitted, boxoffice.CodeQueueTokenExpired)
	add(op.bodyRule() != bodyIgnored, boxoffice.CodeUnsupportedMediaType, boxoffice.CodeBodyTooLarge)
	add(op.key == keyRequired, boxoffice.CodeIdempotencyKeyRequired)
	add(op.key != keyIgnored, boxoffice.CodeIdempotencyKeyReused)
	slices.Sort(codes)
	return slices.Compact(codes)
}

// describeProblems adds one response per status, with an example per code.
func (a *api) describeProblems(op *operation, responses map[string]*huma.Response) {
	schema := schemaOf[problem](a)
	for _, code := range op.codes() {
		kind := a.kinds[code]
		status := kind.status
		if op.access == placeHolder && code == boxoffice.CodeQueueTokenExpired {
			status = http.StatusGone
		}
		response := responses[strconv.Itoa(status)]
		if response == nil {
			response = &huma.Response{
				Description: http.StatusText(status),
				Headers:     map[string]*huma.Header{},
				Content:     map[string]*huma.MediaType{problemType: {Schema: schema, Examples: map[string]*huma.Example{}}},
			}
			responses[strconv.Itoa(status)] = response
		}
		maps.Copy(response.Headers, responseHeaders(op.problemHeaders(status, code)))
		response.Content[problemType].Examples[string(code)] = &huma.Example{
			Summary: kind.title, Description: kind.meaning, Value: exampleProblem(kind, status),
		}
	}
}

func (op *operation) problemHeaders(status int, code boxoffice.Code) []string {
	names := []string{requestIDHeader}
	if stored := (boxoffice.Outcome{Refusal: &boxoffice.Error{Code: code}}); op.key != keyIgnored && stored.Storable() {
		names = append(names, idempotencyReplayedHeader)
	}
	switch {
	case hasRetryAfter(status):
		names = append(names, "Retry-After")
	case status == http.StatusUnauthorized:
		names = append(names, "WWW-Authenticate")
	case code == boxoffice.CodeNotAdmitted:
		names = append(names, "Link")
	}
	return names
}

func exampleProblem(kind problemKind, status int) problem {
	p := kind.problem(status, kind.meaning, exampleRequestID)
	switch kind.code {
	case boxoffice.CodeSeatTaken:
		p.AvailableSeats = []int{3, 17, 42}
	case boxoffice.CodeInsufficientPoints:
		balance, amount := int64(5_000), int64(12_000)
		p.Balance, p.Amount = &balance, &amount
	case boxoffice.CodeInvalidRequest:
		p.Errors = []valueError{{Location: "body.amount", Message: "expected integer"}}
	}
	return p
}

func jsonContent(schema *huma.Schema, example any) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{jsonType: {Schema: schema, Example: example}}
}

// writeDocument completes the document and the page that shows it.
func (a *api) writeDocument() error {
	data, err := stdjson.Marshal(a.openapi)
	if err != nil {
		return fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	packed, err := gzipped(data)
	if err != nil {
		return fmt.Errorf("compress the OpenAPI document: %w", err)
	}
	a.document = asset{contentType: jsonType, plain: data, compressed: packed}.tagged()
	a.assets, err = loadAssets()
	return err
}

// pathParams returns the parameters of a pattern.
func pathParams(pattern string) []string {
	var names []string
	for _, match := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(pattern, -1) {
		names = append(names, match[1])
	}
	return names
}
