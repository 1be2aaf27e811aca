package http

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
)

// schedulePrefix begins the paths that crowds ask for.
const schedulePrefix = "/api/v1/schedules/"

// hotKey finds a call: one below a schedule by everything after the schedule's id, any
// other by its whole path.
type hotKey struct{ method, rest string }

// hotCall is a call that is found without chi.
type hotCall struct {
	route  *route
	handle handler
}

// dispatch finds the call of a request and answers it. The calls that write their own
// bytes, below a schedule or without parameters, are found by two comparisons; chi, which copies the request and
// makes a map of its parameters, finds all others, and these too where a path is escaped
// or a method is HEAD.
func (a *api) dispatch(r *http.Request, c *call) {
	if below, ok := strings.CutPrefix(r.URL.Path, schedulePrefix); ok && r.URL.RawPath == "" {
		if id, rest, ok := strings.Cut(below, "/"); ok && id != "" {
			if hot, ok := a.hot[hotKey{r.Method, rest}]; ok {
				c.scheduleText = id
				a.answer(hot.route, hot.handle, r, c)
				return
			}
		}
	} else if hot, ok := a.hot[hotKey{r.Method, r.URL.Path}]; ok && r.URL.RawPath == "" {
		a.answer(hot.route, hot.handle, r, c)
		return
	}
	routing := a.routings.Get().(*chi.Context)
	routing.Reset()
	routing.Routes = a.router
	c.ctx.routing = routing
	a.route(r.WithContext(&c.ctx), &c.writer)
	c.ctx.routing = nil
	a.routings.Put(routing)
}

// route has chi find the call. It would take an empty segment for an id, and the calls
// take an id that is not there for a path that has none.
func (a *api) route(r *http.Request, w http.ResponseWriter) {
	if strings.Contains(cmp.Or(r.URL.RawPath, r.URL.Path), "//") {
		a.notFound(w, r)
		return
	}
	a.router.ServeHTTP(w, r)
}

// addRaw lets a call that writes its own bytes be found.
func (a *api) addRaw(rt *route, handle handler) {
	a.router.Method(rt.method, rt.pattern, a.serve(rt, handle))
	if rest, ok := strings.CutPrefix(rt.pattern, schedulePrefix+"{"+scheduleParam+"}/"); ok && !strings.Contains(rest, "{") {
		a.hot[hotKey{rt.method, rest}] = hotCall{rt, handle}
	} else if !strings.Contains(rt.pattern, "{") {
		a.hot[hotKey{rt.method, rt.pattern}] = hotCall{rt, handle}
	}
}
