package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"boxoffice"
)

// maxBody bounds the bytes of a body.
const maxBody = 64 << 10

// readBody reads what a call has for a body, and tells what is wrong with it in the
// order content type, size, JSON.
func readBody(r *http.Request, c *call) error {
	if c.route.body == bodyIgnored {
		return nil
	}
	// Some clients name a type where there is nothing to have one.
	bodyless := c.route.body == bodyEmpty && r.ContentLength == 0
	if !bodyless && !isJSON(first(r.Header, "Content-Type")) {
		return boxoffice.Errorf(boxoffice.CodeUnsupportedMediaType, "send the body as application/json")
	}
	data, err := readAll(&c.writer, r)
	if err != nil {
		c.header.Set("Connection", "close") // rather than read the rest
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return boxoffice.Errorf(boxoffice.CodeBodyTooLarge, "the body has more than %d bytes", maxBody)
		}
		return boxoffice.Errorf(boxoffice.CodeMalformedRequest, "the body did not arrive whole")
	}
	if len(data) == 0 && c.route.body == bodyEmpty {
		return nil
	}
	c.raw = data
	if c.route.quick != nil {
		if c.body = c.route.quick(data); c.body != nil {
			c.quick = true
			return nil
		}
	}
	c.body, err = decodeBody(data)
	return err
}

// readAll reads a body of at most [maxBody] bytes.
func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 || r.ContentLength > maxBody {
		return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	}
	data := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, data)
	return data, err
}

// isJSON tells whether a content type is JSON. None counts as JSON.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	if contentType == "application/json" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	return mediaType == "application/json" ||
		strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
}

// decodeBody reads exactly one JSON value. Members that are null are left out, because
// the contract takes them for absent. A whole number that fits is an int64, whatever
// else is a number is a json.Number: no call has a member that it would be right for.
//
// A member that is given twice is refused: which one counts would be anybody's guess.
func decodeBody(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, malformed("the body is not UTF-8")
	}
	if !json.Valid(data) {
		return nil, malformed("the body is not one JSON value")
	}
	if !pairedSurrogates(data) {
		return nil, malformed("a string of the body has half of a surrogate pair")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decodeValue(decoder)
}

func malformed(format string, args ...any) error {
	return boxoffice.Errorf(boxoffice.CodeMalformedRequest, format, args...)
}

// decodeValue reads the next value. The JSON is known to be valid, which bounds the
// depth to what package json takes.
func decodeValue(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("decode valid JSON: %w", err)
	}
	switch token := token.(type) {
	case json.Number:
		if whole, err := strconv.ParseInt(token.String(), 10, 64); err == nil {
			return whole, nil
		}
		return token, nil
	case json.Delim:
		if token == '{' {
			return decodeObject(decoder)
		}
		return decodeArray(decoder)
	default:
		return token, nil
	}
}

func decodeObject(decoder *json.Decoder) (any, error) {
	object := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("decode valid JSON: %w", err)
		}
		name := token.(string) // what else is the name of a member
		if _, twice := object[name]; twice {
			return nil, malformed("the body has the member %q twice", clip(name))
		}
		if object[name], err = decodeValue(decoder); err != nil {
			return nil, err
		}
	}
	for name, value := range object {
		if value == nil {
			delete(object, name)
		}
	}
	_, err := decoder.Token()
	return object, err
}

func decodeArray(decoder *json.Decoder) (any, error) {
	array := []any{}
	for decoder.More() {
		value, err := decodeValue(decoder)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := decoder.Token()
	return array, err
}

// pairedSurrogates tells whether every \u escape of a UTF-16 surrogate in valid JSON is
// half of a pair. Package json would replace the others, and so store what was not sent.
func pairedSurrogates(data []byte) bool {
	for {
		start := bytes.IndexByte(data, '\\')
		if start < 0 {
			return true
		}
		if data[start+1] != 'u' {
			data = data[start+2:]
			continue
		}
		first := escaped(data[start:])
		data = data[start+6:]
		if !utf16.IsSurrogate(first) {
			continue
		}
		if utf16.DecodeRune(first, escaped(data)) == utf8.RuneError {
			return false
		}
		data = data[6:]
	}
}

// escaped gives the code of the \uXXXX that data starts with, or 0.
func escaped(data []byte) rune {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0
	}
	code, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(code)
}

// maxEcho bounds how much of what a client sent is told back to it.
const maxEcho = 64

func clip(text string) string {
	if len(text) <= maxEcho {
		return text
	}
	return strings.ToValidUTF8(text[:maxEcho], "") + "…"
}
