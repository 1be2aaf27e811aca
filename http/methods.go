package http

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"boxoffice"
)

func (a *api) notFound(w http.ResponseWriter, r *http.Request) { a.writeProblem(w, r, notFound()) }

func notFound() error {
	return boxoffice.Errorf(boxoffice.CodeNotFound, "there is nothing at this path")
}

// methodNotAllowed answers methods that the path does not have: OPTIONS with those that it
// has, anything else with a problem. chi also calls it for methods that it does not know,
// whatever the path.
func (a *api) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allowed := a.methodsOf(r)
	if len(allowed) == 0 {
		a.notFound(w, r)
		return
	}
	w.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	a.writeProblem(w, r, boxoffice.Errorf(boxoffice.CodeMethodNotAllowed, "this path has no such method"))
}

// methodsOf returns the methods of a path.
func (a *api) methodsOf(r *http.Request) []string {
	path := cmp.Or(r.URL.RawPath, r.URL.Path) // as the router has it
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if !a.router.Match(chi.NewRouteContext(), method, path) {
			continue
		}
		allowed = append(allowed, method)
		if method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	return allowed
}
