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

// indexJSON is the answer at the root of a node.
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
			method: http.MethodGet, pattern: pattern,
			id: id, tag: tagOperations, summary: summary, refusals: refusals, example: example,
		}
	}
	healthy := map[string]any{"status": "ok"}
	handle(a, operations("/livez", "getLiveness", "Whether the process runs", healthy, boxoffice.CodeInternal), a.getLiveness)
	handle(a, operations("/readyz", "getReadiness", "Whether the node can serve", healthy, boxoffice.CodeUnavailable), a.getReadiness)
	handle(a, operations("/.well-known/jwks.json", "getKeySet", "The keys that verify access tokens", nil, boxoffice.CodeInternal),
		func(_ context.Context, req *request, _ none) (jwkSet, error) {
			req.header.Set("Cache-Control", "public, max-age=300")
			return a.Keys.jwks(), nil
		})
	handle(a, operations("/", "getIndex", "Where to find the documentation", nil, boxoffice.CodeInternal),
		func(context.Context, *request, none) (indexJSON, error) {
			return indexJSON{Name: "boxoffice", Docs: "/docs", OpenAPI: "/openapi.json"}, nil
		})
	handle(a, operations("/problems/{code}", "getProblem", "What a kind of problem means", nil, boxoffice.CodeNotFound), a.getProblem)
	a.handleRaw(operations("/metrics", "getMetrics", "Metrics for Prometheus", nil), contentOf("text/plain"),
		func(w http.ResponseWriter, r *http.Request, _ *request) error { a.Metrics.ServeHTTP(w, r); return nil })
	file := func(pattern, id, summary string, refusals ...boxoffice.Code) operation {
		op := operations(pattern, id, summary, nil, refusals...)
		op.headers = []string{"ETag", "Cache-Control"}
		return op
	}
	a.handleRaw(file("/openapi.json", "getDocument", "This document"), contentOf(jsonType), a.getDocument)
	a.handleRaw(file("/docs", "getDocs", "This document as a page"), contentOf("text/html"), a.getDocs)
	a.handleRaw(file("/docs/{asset}", "getDocsAsset", "The files of that page", boxoffice.CodeNotFound), contentOf("*/*"), a.getDocsAsset)
}

// contentOf returns content without a schema.
func contentOf(contentType string) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{contentType: {}}
}

func (a *api) getLiveness(context.Context, *request, none) (healthJSON, error) {
	return healthJSON{Status: "ok"}, nil
}

func (a *api) getReadiness(ctx context.Context, _ *request, _ none) (healthJSON, error) {
	err := a.Health.Ready(ctx)
	if _, told := errors.AsType[*boxoffice.Error](err); err != nil && !told {
		err = boxoffice.Unavailable(err)
	}
	if err != nil {
		return healthJSON{}, err
	}
	return healthJSON{Status: "ok"}, nil
}

func (a *api) getProblem(ctx context.Context, _ *request, _ none) (problemKindJSON, error) {
	kind, ok := a.kinds[boxoffice.Code(pathValue(ctx, "code"))]
	if !ok {
		return problemKindJSON{}, boxoffice.Errorf(boxoffice.CodeNotFound, "there is no such kind of problem")
	}
	return problemKindJSON{
		Type: problemURI(kind.code), Code: kind.code, Status: kind.status, Title: kind.title, Meaning: kind.meaning,
	}, nil
}
