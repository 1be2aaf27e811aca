package http

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"boxoffice"
)

// swagger is Swagger UI 5.35.0 with its licences, as swagger/update takes it from its npm
// package, and the page that starts it.
//
//go:embed swagger/*.gz swagger/index.html swagger/start.js swagger/favicon-32x32.png
//go:embed swagger/LICENSE swagger/NOTICE swagger/swagger-ui-bundle.js.LICENSE.txt
var swagger embed.FS

// docsPolicy keeps the page from loading anything from elsewhere. Swagger UI sets style
// attributes and draws its icons from data URLs.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is a file of /docs.
type asset struct {
	contentType string
	etag        string
	plain       []byte
	compressed  []byte // gzip; nil if it is not worth it
}

// loadAssets reads what is embedded.
func loadAssets() (map[string]asset, error) {
	entries, err := swagger.ReadDir("swagger")
	if err != nil {
		return nil, fmt.Errorf("read the embedded pages: %w", err)
	}
	assets := map[string]asset{}
	for _, entry := range entries {
		data, err := swagger.ReadFile("swagger/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read an embedded page: %w", err)
		}
		name, isCompressed := strings.CutSuffix(entry.Name(), ".gz")
		a := asset{contentType: contentType(name), plain: data}
		if isCompressed {
			a.compressed = data
			if a.plain, err = gunzip(data); err != nil {
				return nil, fmt.Errorf("decompress %s: %w", entry.Name(), err)
			}
		}
		hash := sha256.Sum256(a.plain)
		a.etag = `"` + hex.EncodeToString(hash[:16]) + `"`
		assets[name] = a
	}
	return assets, nil
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".png":
		return "image/png"
	default:
		return "text/plain; charset=utf-8"
	}
}

func gunzip(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

func (a *api) getDocs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", docsPolicy)
	a.assets["index.html"].write(w, r)
}

func (a *api) getDocsAsset(w http.ResponseWriter, r *http.Request) {
	found, ok := a.assets[pathValue(r, "asset")]
	if !ok {
		a.writeProblem(callOf(r.Context()), boxoffice.Errorf(boxoffice.CodeNotFound, "there is nothing at this path"))
		return
	}
	found.write(w, r)
}

func (a *api) getDocument(w http.ResponseWriter, r *http.Request) {
	hash := sha256.Sum256(a.document)
	asset{
		contentType: "application/json", etag: `"` + hex.EncodeToString(hash[:16]) + `"`, plain: a.document,
	}.write(w, r)
}

// write answers with an asset, or 304 if the client has it.
func (a asset) write(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", a.etag)
	w.Header().Set("Cache-Control", "public, no-cache")
	w.Header().Set("Vary", "Accept-Encoding")
	if matches(r.Header, a.etag) {
		notModified(w)
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	body := a.plain
	if a.compressed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		body = a.compressed
	}
	writeSized(w, http.StatusOK, body)
}
