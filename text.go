package boxoffice

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// problems collects what is wrong with the values of one request, so that all of it is
// reported at once.
type problems []FieldError

func (p *problems) add(location, format string, args ...any) {
	*p = append(*p, FieldError{Location: location, Message: fmt.Sprintf(format, args...)})
}

// refusal returns an invalid-request with everything that was found, or nil.
func (p *problems) refusal() *Error {
	found := *p
	if len(found) == 0 {
		return nil
	}
	refusal := Invalid(found[0].Location, "%s", found[0].Message)
	if len(found) > 1 {
		refusal.Detail = fmt.Sprintf("%s (and %d more)", refusal.Detail, len(found)-1)
	}
	refusal.Fields = found
	return refusal
}

func (p *problems) checkCapacity(capacity int) {
	if capacity < 1 || capacity > MaxCapacity {
		p.add("body.capacity", "must be from 1 to %d", MaxCapacity)
	}
}

func (p *problems) checkAdmitPerSecond(perSecond int) {
	if perSecond < 0 || perSecond > MaxAdmitPerSecond {
		p.add("body.admitPerSecond", "must be from 0 to %d", MaxAdmitPerSecond)
	}
}

func (p *problems) checkPrice(location string, price int64) {
	if price < 0 || price > MaxPrice {
		p.add(location, "must be from 0 to %d", MaxPrice)
	}
}

// checkLine checks that text is one line of at most maximum characters, and not blank if
// minimum is above zero.
func (p *problems) checkLine(location, text string, minimum, maximum int) {
	switch {
	case !utf8.ValidString(text):
		p.add(location, "must be valid UTF-8")
	case minimum > 0 && strings.TrimSpace(text) == "":
		p.add(location, "must not be empty")
	case utf8.RuneCountInString(text) > maximum:
		p.add(location, "must have at most %d characters", maximum)
	case strings.ContainsFunc(text, unicode.IsControl):
		p.add(location, "must not contain control characters")
	}
}

// checkText checks that text, of one or several lines, has at most maximum characters.
func (p *problems) checkText(location, text string, maximum int) {
	switch {
	case !utf8.ValidString(text):
		p.add(location, "must be valid UTF-8")
	case utf8.RuneCountInString(text) > maximum:
		p.add(location, "must have at most %d characters", maximum)
	case strings.ContainsFunc(text, func(c rune) bool {
		return unicode.IsControl(c) && !strings.ContainsRune("\n\r\t", c)
	}):
		p.add(location, "must not contain control characters other than tabs and line breaks")
	}
}
