package http

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// swagger is Swagger UI 5.35.0 with its licences, as swagger/update extracts it from its
// npm package, and the page that starts it.
//
//go:embed swagger/*.gz swagger/index.html swagger/start.js swagger/favicon-32x32.png
//go:embed swagger/LICENSE swagger/NOTICE swagger/swagger-ui-bundle.js.LICENSE.txt
var swagger embed.FS

// docsPolicy keeps the page from loading anything from elsewhere. Swagger UI sets style
// attributes and draws its icons from data URLs.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is a file that is served as it is.
type asset struct {
	contentType string
	plain       []byte
	compressed  []byte // gzip; nil if the file is not kept compressed
	// Each encoding is a representation with a tag of its own.
	plainETag, compressedETag string
}

// loadAssets returns the embedded files.
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
		assets[name] = a.tagged()
	}
	return assets, nil
}

func (a asset) tagged() asset {
	a.plainETag, a.compressedETag = etagOf(a.plain), etagOf(a.compressed)
	return a
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

func gzipped(data []byte) ([]byte, error) {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := writer.Write(data)
	err = errors.Join(err, writer.Close())
	return packed.Bytes(), err
}

func gunzip(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

func (a *api) getDocs(w http.ResponseWriter, r *http.Request, _ *request) error {
	w.Header().Set("Content-Security-Policy", docsPolicy)
	a.assets["index.html"].write(w, r)
	return nil
}

func (a *api) getDocsAsset(w http.ResponseWriter, r *http.Request, _ *request) error {
	found, ok := a.assets[pathValue(r.Context(), "asset")]
	if !ok {
		return notFound()
	}
	found.write(w, r)
	return nil
}

func (a *api) getDocument(w http.ResponseWriter, r *http.Request, _ *request) error {
	a.document.write(w, r)
	return nil
}

// write answers with an asset, or 304 if the client has it.
func (a asset) write(w http.ResponseWriter, r *http.Request) {
	body, etag := a.plain, a.plainETag
	if a.compressed != nil && takesGzip(r.Header) {
		body, etag = a.compressed, a.compressedETag
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Vary", "Accept-Encoding")
	writeTagged(w, r, etag, "public, no-cache", a.contentType, body)
}

// takesGzip reports whether Accept-Encoding allows gzip; a weight of 0 forbids it.
func takesGzip(header http.Header) bool {
	allowed := false
	for item := range strings.SplitSeq(strings.Join(header["Accept-Encoding"], ","), ",") {
		coding, parameter, _ := strings.Cut(item, ";")
		name, weight, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		number, err := strconv.ParseFloat(weight, 64)
		forbidden := strings.EqualFold(name, "q") && (err != nil || number == 0)
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return !forbidden
		case "*":
			allowed = !forbidden
		}
	}
	return allowed
}
