package http

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"boxoffice"
)

type healthJSON struct {
	Status string `json:"status" enum:"ok"`
}

// indexJSON is what somebody finds who types the address of a node.
type indexJSON struct {
	Name    string `json:"name"`
	Docs    string `json:"docs" format:"uri-reference"`
	OpenAPI string `json:"openapi" format:"uri-reference"`
}

// problemKindJSON describes a kind of problem.
type problemKindJSON struct {
	Type    string         `json:"type" format:"uri-reference"`
	Code    boxoffice.Code `json:"code"`
	Status  int            `json:"status"`
	Title   string         `json:"title"`
	Meaning string         `json:"meaning"`
}

func (a *api) addOperations() {
	operations := func(pattern, id, summary string, example any, refusals ...boxoffice.Code) operation {
		return operation{
			route: route{method: http.MethodGet, pattern: pattern},
			id:    id, tag: tagOperations, summary: summary, status: http.StatusOK, refusals: refusals, example: example,
		}
	}
	healthy := map[string]any{"status": "ok"}
	handle(a, operations("/livez", "getLiveness", "Whether the process runs", healthy, boxoffice.CodeInternal), a.getLiveness)
	handle(a, operations("/readyz", "getReadiness", "Whether the node can serve", healthy, boxoffice.CodeUnavailable), a.getReadiness)
	handle(a, operations("/.well-known/jwks.json", "getKeySet", "The keys that access tokens are checked with", nil, boxoffice.CodeInternal),
		func(context.Context, *call, *noQuery) (jwkSet, error) { return a.keys.jwks(), nil })
	handle(a, operations("/", "getIndex", "Where to go on from here", nil, boxoffice.CodeInternal),
		func(context.Context, *call, *noQuery) (indexJSON, error) {
			return indexJSON{Name: "boxoffice", Docs: "/docs", OpenAPI: "/openapi.json"}, nil
		})
	handleRaw[problemKindJSON](a, operations("/problems/{code}", "getProblem", "What a kind of problem means", nil, boxoffice.CodeNotFound), a.getProblem)
	a.addPage(operations("/metrics", "getMetrics", "Metrics for Prometheus", nil), "text/plain", a.metrics.ServeHTTP)
	file := func(pattern, id, summary string, refusals ...boxoffice.Code) operation {
		op := operations(pattern, id, summary, nil, refusals...)
		op.headers = []string{"ETag", "Cache-Control"}
		return op
	}
	a.addPage(file("/openapi.json", "getDocument", "This document"), "application/json", a.getDocument)
	a.addPage(file("/docs", "getDocs", "This document, to read"), "text/html", a.getDocs)
	a.addPage(file("/docs/{asset}", "getDocsAsset", "What the page is made of", boxoffice.CodeNotFound), "*/*", a.getDocsAsset)
}

// addPage adds a call whose answer has a form of its own.
func (a *api) addPage(op operation, contentType string, page http.HandlerFunc) {
	described := a.describe(op)
	described.Responses[statusText(op.status)].Content = map[string]*huma.MediaType{contentType: {}}
	a.huma.OpenAPI().AddOperation(&described)
	a.router.Method(op.method, op.pattern, a.serve(&op.route, func(w http.ResponseWriter, r *http.Request, _ *call) error {
		page(w, r)
		return nil
	}))
	a.complete(op)
}

func (a *api) getLiveness(context.Context, *call, *noQuery) (healthJSON, error) {
	return healthJSON{Status: "ok"}, nil
}

func (a *api) getReadiness(ctx context.Context, _ *call, _ *noQuery) (healthJSON, error) {
	err := a.health.Ready(ctx)
	if _, told := errors.AsType[*boxoffice.Error](err); err != nil && !told {
		err = boxoffice.Unavailable(err)
	}
	if err != nil {
		return healthJSON{}, err
	}
	return healthJSON{Status: "ok"}, nil
}

func (a *api) getProblem(w http.ResponseWriter, r *http.Request, _ *call) error {
	kind, ok := a.kinds[boxoffice.Code(pathValue(r, "code"))]
	if !ok {
		return boxoffice.Errorf(boxoffice.CodeNotFound, "there is no such kind of problem")
	}
	writeJSON(w, http.StatusOK, "application/json", problemKindJSON{
		Type: problemURI(kind.code), Code: kind.code, Status: kind.status, Title: kind.title, Meaning: kind.meaning,
	})
	return nil
}
