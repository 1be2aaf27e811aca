package http

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"boxoffice"
)

// operation is a call: its route, who may make it, and its description in the document.
type operation struct {
	method  string
	pattern string // as chi and OpenAPI write it
	access  access
	guarded bool // (Q) in the contract; an admin passes if the method is GET
	key     keyRule
	cached  bool                       // by clients, with a strong ETag of the body
	input   *input                     // nil: it takes nothing
	content map[string]*huma.MediaType // of a success; nil: none

	id          string
	tag         string
	summary     string
	description string
	status      int // of a success; 0: 200
	// repeated is the status of a success that changed nothing; 0: there is none.
	repeated int
	headers  []string         // of a success
	params   []*huma.Param    // of this call in particular
	refusals []boxoffice.Code // of this call in particular
	request  any              // example of a body
	example  any              // example of a success
}

// access says who may make a call.
type access int

const (
	public      access = iota
	signedIn           // users and admins
	usersOnly          // users; an admin only reads
	adminsOnly         // admins
	placeHolder        // whoever has the queue token
)

// keyRule says what a call does with an idempotency key.
type keyRule int

const (
	keyIgnored keyRule = iota
	keyHonoured
	keyRequired
)

// bodyRule says what a call expects for a body.
type bodyRule int

const (
	bodyIgnored bodyRule = iota
	bodyEmpty            // none, or an object without members
	bodyObject
)

func (op *operation) bodyRule() bodyRule {
	switch {
	case op.method == http.MethodGet:
		return bodyIgnored
	case op.input != nil:
		return bodyObject
	case op.method == http.MethodPost:
		return bodyEmpty
	default:
		return bodyIgnored
	}
}

// hasPath reports whether the path has the parameter.
func (op *operation) hasPath(name string) bool { return strings.Contains(op.pattern, "{"+name+"}") }

// isAPI reports whether the call is part of the contract, and not one for operators.
func (op *operation) isAPI() bool { return strings.HasPrefix(op.pattern, "/api/") }
