package http

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"boxoffice"
)

// maxValueErrors bounds how many wrong values one answer lists.
const maxValueErrors = 50

// values reads the members of a body as a T, or tells every one that is wrong. It comes
// after admit; c.route.schema is the schema of T.
func values[T any](a *api, c *call) (T, error) {
	var v T
	if err := a.validateBody(c); err != nil {
		return v, a.unlessAnswered(c, err)
	}
	if c.body == nil {
		return v, nil
	}
	// Names differ in case only for unknown members, and those were refused.
	if err := json.Unmarshal(c.raw, &v); err != nil {
		return v, fmt.Errorf("decode a valid body as %T: %w", v, err)
	}
	return v, nil
}

func (a *api) validateBody(c *call) error {
	if c.body == nil && c.route.body == bodyEmpty {
		return nil
	}
	object, ok := c.body.(map[string]any)
	if !ok {
		return boxoffice.Invalid("body", "must be an object")
	}
	schema := c.route.schema
	if c.route.body == bodyEmpty {
		schema = &huma.Schema{Type: huma.TypeObject}
	}
	fields := a.dropUnknown(schema, object, "body", nil)
	result := &huma.ValidateResult{}
	path := huma.NewPathBuffer(nil, 0)
	path.Push("body")
	huma.Validate(a.schemas, schema, path, huma.ModeWriteToServer, object, result)
	return invalid(append(fields, fieldErrors(result.Errors)...))
}

// dropUnknown takes the members out of an object that its schema does not have, and
// tells them. huma would take "Amount" for "amount".
func (a *api) dropUnknown(schema *huma.Schema, value any, location string, found []boxoffice.FieldError) []boxoffice.FieldError {
	for schema.Ref != "" {
		schema = a.schemas.SchemaFromRef(schema.Ref)
	}
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			inner := location + "." + clip(name)
			if known := schema.Properties[name]; known != nil {
				found = a.dropUnknown(known, member, inner, found)
				continue
			}
			delete(value, name)
			found = append(found, boxoffice.FieldError{Location: inner, Message: "is no member of this request"})
		}
	case []any:
		if schema.Items == nil {
			return found
		}
		for i, item := range value {
			found = a.dropUnknown(schema.Items, item, fmt.Sprintf("%s[%d]", location, i), found)
		}
	}
	return found
}

// fieldErrors puts what huma found into the words of the contract: a member that is
// missing is wrong itself, not the object around it, and values are not told back.
func fieldErrors(errs []error) []boxoffice.FieldError {
	fields := make([]boxoffice.FieldError, 0, len(errs))
	for _, err := range errs {
		field := boxoffice.FieldError{Location: "request", Message: err.Error()}
		if detail, ok := err.(huma.ErrorDetailer); ok {
			field.Location, field.Message = detail.ErrorDetail().Location, detail.ErrorDetail().Message
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

// invalid is the refusal of wrong values, nil if there are none.
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

// schemaOf gives the schema of a T, in the document's components.
func schemaOf[T any](a *api) *huma.Schema {
	return a.schemas.Schema(reflect.TypeFor[T](), true, "")
}
