package http

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// Example values of the document.
const (
	exampleRequestID   = "01939d3a-5c6e-7c59-9a51-3f1e6b1d2a40"
	exampleUser        = "01939d3a-5c6e-7a11-8f00-5b2f6d1c9e01"
	exampleEntry       = "01939d3a-5c6e-7b22-8f00-5b2f6d1c9e02"
	exampleReservation = "01939d3a-5c6e-7c33-8f00-5b2f6d1c9e03"
	examplePayment     = "01939d3a-5c6e-7d44-8f00-5b2f6d1c9e04"
)

// parameters returns the parameters in the path, the headers and the query.
func (op *operation) parameters() []*huma.Param {
	var params []*huma.Param
	for _, name := range pathParams(op.pattern) {
		params = append(params, pathParam(name))
	}
	if op.key != keyIgnored {
		params = append(params, &huma.Param{
			Name: idempotencyKeyHeader, In: "header", Required: op.key == keyRequired,
			Description: "A new key for each operation, and the same key whenever it is sent again.",
			Schema:      &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(maxKeyLength), Pattern: `^[ -~]+$`},
		})
	}
	if slices.Contains(op.headers, "ETag") {
		params = append(params, &huma.Param{
			Name: "If-None-Match", In: "header", Description: "ETags of the client's copies.",
			Schema: &huma.Schema{Type: huma.TypeString},
		})
	}
	params = append(params, op.params...)
	if op.input != nil && op.method == http.MethodGet {
		params = append(params, queryParams(op.input)...)
	}
	return params
}

// queryParams returns the members of an input, in the order of its fields.
func queryParams(in *input) []*huma.Param {
	var params []*huma.Param
	for _, name := range in.names {
		schema := in.schema.Properties[name]
		params = append(params, &huma.Param{Name: name, In: "query", Description: schema.Description, Explode: new(false), Schema: schema})
	}
	return params
}

func pathParam(name string) *huma.Param {
	param := &huma.Param{Name: name, In: "path", Required: true}
	switch name {
	case concertParam, scheduleParam:
		param.Schema, param.Example = &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: new(1.0)}, 1
	case userParam, reservationParam, paymentParam:
		param.Schema, param.Example = &huma.Schema{Type: huma.TypeString, Format: "uuid"}, exampleUser
	default:
		param.Schema = &huma.Schema{Type: huma.TypeString}
	}
	return param
}

// responseHeaders returns descriptions of headers by name.
func responseHeaders(names []string) map[string]*huma.Header {
	text := &huma.Schema{Type: huma.TypeString}
	seconds := &huma.Schema{Type: huma.TypeInteger, Minimum: new(0.0)}
	known := map[string]*huma.Header{
		requestIDHeader:           {Description: "The request's own, or a new one.", Schema: text},
		"Location":                {Description: "Where the new resource can be read.", Schema: text},
		"ETag":                    {Description: "The value to send as If-None-Match.", Schema: text},
		"Cache-Control":           {Description: "How long the answer may be cached.", Schema: text},
		"Retry-After":             {Description: "Seconds after which to try again.", Schema: seconds},
		"Link":                    {Description: "rel=status: where to ask for the place in line.", Schema: text},
		"WWW-Authenticate":        {Description: "Which token is asked for.", Schema: text},
		bufferingHeader:           {Description: "no: proxies are to pass events on at once.", Schema: text},
		idempotencyReplayedHeader: {Description: "true if this is the answer of an earlier request with the same key.", Schema: &huma.Schema{Type: huma.TypeBoolean}},
	}
	headers := make(map[string]*huma.Header, len(names))
	for _, name := range names {
		headers[name] = known[name]
	}
	return headers
}
