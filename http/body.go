package http

import (
	"cmp"
	stdjson "encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"boxoffice"
)

// maxBody bounds the bytes of a body.
const maxBody = 64 << 10

// readInput reads everything in a request besides its path and its tokens. Mistakes in that
// are left to [api.tellMistake].
func (a *api) readInput(w http.ResponseWriter, r *http.Request, req *request) error {
	value, err := a.readValue(w, r, req.op)
	if err == nil {
		err = readKey(r, req, value)
	}
	if err == nil {
		req.in, err = a.valid(req.op, value)
	}
	req.mistake = err
	return nil
}

// tellMistake refuses a request that is invalid in itself.
func (a *api) tellMistake(_ http.ResponseWriter, r *http.Request, req *request) error {
	if req.mistake != nil && req.op.guarded {
		return a.afterGuard(r.Context(), req, req.mistake)
	}
	return req.mistake
}

// readValue reads the one JSON value that a request is about: its body, or the parameters of
// its query as an object. Members that are null are left out, because by the contract they
// are absent. Nil: there is no value, or it is null.
func (a *api) readValue(w http.ResponseWriter, r *http.Request, op *operation) (any, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case err != nil:
		return nil, boxoffice.Invalid("query", "cannot be decoded")
	case op.bodyRule() != bodyIgnored:
		return a.readBody(w, r, op.bodyRule())
	case op.input != nil:
		return readQuery(op.input.schema, query)
	default:
		return nil, nil
	}
}

// readQuery returns an object of the parameters that the call defines. Others are ignored.
func readQuery(schema *huma.Schema, query url.Values) (any, error) {
	object := map[string]any{}
	var wrong []boxoffice.FieldError
	for name, parameter := range schema.Properties {
		given, present := query[name]
		problem := ""
		switch {
		case !present:
			if parameter.Default != nil {
				object[name] = parameter.Default
			}
		case len(given) > 1:
			problem = "must be given once"
		case given[0] == "":
			problem = "must not be empty"
		case !utf8.ValidString(given[0]):
			problem = "must be UTF-8"
		default:
			object[name] = given[0]
			whole, err := strconv.ParseInt(given[0], 10, 64)
			if err == nil && strconv.FormatInt(whole, 10) == given[0] && parameter.Type == huma.TypeInteger {
				object[name] = whole
			}
		}
		if problem != "" {
			wrong = append(wrong, boxoffice.FieldError{Location: "query." + name, Message: problem})
		}
	}
	if err := invalid(wrong); err != nil {
		return nil, err
	}
	return object, nil
}

// readBody reads and decodes a body.
func (a *api) readBody(w http.ResponseWriter, r *http.Request, rule bodyRule) (any, error) {
	// Some clients send a content type without a body.
	bodyless := rule == bodyEmpty && r.ContentLength == 0
	if !bodyless && (len(r.Header["Content-Type"]) > 1 || !isJSON(r.Header.Get("Content-Type"))) {
		return nil, boxoffice.Errorf(boxoffice.CodeUnsupportedMediaType, "send the body as application/json")
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		w.Header().Set("Connection", "close") // rather than read the rest
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, boxoffice.Errorf(boxoffice.CodeBodyTooLarge, "the body has more than %d bytes", maxBody)
		}
		return nil, malformed("the body did not arrive whole")
	}
	if len(data) == 0 && rule == bodyEmpty {
		return nil, nil
	}
	return decodeValue(data, a.exact)
}

// isJSON reports whether a content type is JSON. A missing one counts as JSON.
func isJSON(contentType string) bool {
	if contentType == "" || contentType == jsonType {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	return mediaType == jsonType || strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
}

// decodeValue reads exactly one JSON value, with the rules of I-JSON (RFC 7493) for names and
// strings.
func decodeValue(data []byte, numbers json.Options) (any, error) {
	var value any
	if err := json.Unmarshal(data, &value, numbers); err != nil {
		at := ""
		if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			at = " (byte " + strconv.FormatInt(syntax.ByteOffset, 10) + ")"
		}
		return nil, malformed("the body is not exactly one JSON value in UTF-8, with no member given twice%s", at)
	}
	return withoutNulls(value), nil
}

// exactNumbers returns the option to read numbers by [exactNumber]. It is expensive, so
// make it once.
func exactNumbers() json.Options { return json.WithUnmarshalers(json.UnmarshalFromFunc(exactNumber)) }

// exactNumber reads a number whose value is whole and fits as an int64, however it is spelt:
// 100, 100.0 and 1e2 are the same. Whatever else is a number is kept as it is spelt: no call
// has a member that it would be right for.
func exactNumber(decoder *jsontext.Decoder, value *any) error {
	if decoder.PeekKind() != '0' {
		return errors.ErrUnsupported // and so it is read as usual
	}
	text, err := decoder.ReadValue()
	if err != nil {
		return err
	}
	if whole, ok := wholeNumber(string(text)); ok {
		*value = whole
	} else {
		*value = stdjson.Number(text)
	}
	return nil
}

// wholeNumber returns the value of a JSON number, if that is an int64.
func wholeNumber(text string) (int64, bool) {
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return whole, true
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	integer, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimRight(integer+fraction, "0")
	if strings.Trim(digits, "-0") == "" {
		return 0, true
	}
	power, err := strconv.Atoi(cmp.Or(exponent, "0"))
	const most = 1 << 20 // far beyond what a body has digits for
	if err != nil || power < -most || power > most {
		return 0, false
	}
	zeros := power + len(integer) - len(digits) // that follow the digits
	if zeros < 0 || zeros > 18 {
		return 0, false
	}
	whole, err := strconv.ParseInt(digits+strings.Repeat("0", zeros), 10, 64)
	return whole, err == nil
}

func withoutNulls(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if member == nil {
				delete(value, name)
			} else {
				withoutNulls(member)
			}
		}
	case []any:
		for _, item := range value {
			withoutNulls(item)
		}
	}
	return value
}

func malformed(format string, args ...any) error {
	return boxoffice.Errorf(boxoffice.CodeMalformedRequest, format, args...)
}
