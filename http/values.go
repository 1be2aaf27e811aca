package http

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"boxoffice"
)

const (
	// maxValueErrors bounds how many wrong values one answer lists.
	maxValueErrors = 50
	// maxEcho bounds how much of a client's input an answer repeats, in bytes.
	maxEcho = 64
)

// input describes a call's input: its schema, and how it is decoded as the call's own type.
type input struct {
	schema *huma.Schema // as the document has it
	names  []string     // of its members, in order
	decode func(data []byte) (any, error)
}

// inputOf returns the description of a T; nil if that has no fields. Parameters of a query
// are described one by one, so they have no name in the document's components.
func inputOf[T any](a *api, method string) *input {
	t := reflect.TypeFor[T]()
	in := &input{decode: decodeAs[T]}
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			in.names = append(in.names, name)
		}
	}
	if len(in.names) == 0 {
		return nil
	}
	if in.schema = huma.SchemaFromType(a.schemas, t); method != http.MethodGet {
		in.schema = schemaOf[T](a)
	}
	return in
}

// decodeAs decodes JSON as a T, with names in their exact case and no others.
func decodeAs[T any](data []byte) (any, error) {
	var v T
	err := json.Unmarshal(data, &v, json.RejectUnknownMembers(true))
	return v, err
}

// valid returns a call's input, or an error that lists every value that violates its
// schema.
func (a *api) valid(op *operation, value any) (any, error) {
	if value == nil && op.bodyRule() != bodyObject {
		return nil, nil
	}
	location, schema := "body", &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false}
	if op.input != nil {
		schema = op.input.schema
	}
	if op.method == http.MethodGet {
		location = "query"
	}
	path := huma.NewPathBuffer(nil, 0)
	path.Push(location)
	result := &huma.ValidateResult{}
	huma.Validate(a.schemas, schema, path, huma.ModeWriteToServer, value, result)
	if err := invalid(fieldErrors(result.Errors)); err != nil {
		return nil, err
	}
	if op.input == nil {
		return nil, nil
	}
	in, err := op.input.decode(encode(value))
	if wrong, ok := errors.AsType[*json.SemanticError](err); ok {
		message := "cannot be read"
		if errors.Is(wrong, json.ErrUnknownName) { // it differs only in case, which the schema does not see
			message = "unexpected property"
		}
		return nil, boxoffice.Invalid(location+locationOf(wrong.JSONPointer), "%s", message)
	}
	return in, err
}

// locationOf returns a pointer into JSON in the contract's form: .member and [index].
func locationOf(pointer jsontext.Pointer) string {
	var b strings.Builder
	for token := range pointer.Tokens() {
		if strings.Trim(token, "0123456789") == "" {
			fmt.Fprintf(&b, "[%s]", token)
		} else {
			b.WriteString("." + clip(token))
		}
	}
	return b.String()
}

// fieldErrors translates huma's errors into the contract's: a missing member is itself
// wrong, not the object around it, and values are not repeated.
func fieldErrors(errs []error) []boxoffice.FieldError {
	fields := make([]boxoffice.FieldError, 0, len(errs))
	for _, err := range errs {
		field := boxoffice.FieldError{Location: "request", Message: err.Error()}
		if detail, ok := err.(huma.ErrorDetailer); ok {
			field.Location, field.Message = clip(detail.ErrorDetail().Location), detail.ErrorDetail().Message
		}
		if rest, ok := strings.CutPrefix(field.Message, "expected required property "); ok {
			name, _, _ := strings.Cut(rest, " ")
			field.Location += "." + name
			field.Message = "is required"
		}
		fields = append(fields, field)
	}
	return fields
}

// invalid returns the refusal of wrong values; nil if there are none.
func invalid(fields []boxoffice.FieldError) error {
	if len(fields) == 0 {
		return nil
	}
	slices.SortFunc(fields, func(x, y boxoffice.FieldError) int {
		return cmp.Or(strings.Compare(x.Location, y.Location), strings.Compare(x.Message, y.Message))
	})
	fields = fields[:min(len(fields), maxValueErrors)]
	return &boxoffice.Error{
		Code:   boxoffice.CodeInvalidRequest,
		Detail: fields[0].Location + ": " + fields[0].Message,
		Fields: fields,
	}
}

func clip(text string) string {
	if len(text) <= maxEcho {
		return text
	}
	return strings.ToValidUTF8(text[:maxEcho], "") + "…"
}

// schemaOf returns the schema of a T, in the document's components.
func schemaOf[T any](a *api) *huma.Schema {
	return a.schemas.Schema(reflect.TypeFor[T](), true, "")
}
