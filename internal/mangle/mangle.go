// Package mangle makes requests that are nearly right, for the tests of the API with fakes and
// of the real program.
package mangle

import (
	"fmt"
	"strings"
)

// Paths returns paths that are nearly one of the API, path, whose route is pattern. None
// of them is a path of the API: each is to be answered with 404.
func Paths(pattern, path string) []string {
	spoiled := []string{path + "/", path + "//", "/" + path, path + "/..", path + "/.", path + "%2f", path + "%00", path + ";", "/x" + path}
	names := strings.Split(pattern, "/")
	parts := strings.Split(path, "/")
	for i := 1; i < len(parts) && path != "/"; i++ {
		with := func(part string) {
			changed := append(append([]string{}, parts[:i]...), part)
			if part != parts[i] {
				spoiled = append(spoiled, strings.Join(append(changed, parts[i+1:]...), "/"))
			}
		}
		for _, before := range []string{"/", "./", "../", "%2e%2e/", "%2f", "%2F", "%5c", "x/../"} {
			with(before + parts[i])
		}
		for _, after := range []string{";", ";v=1", "%2f", "%2f..", "%3b", "%5C", "//api/v1/payments", "%2fapi%2fv1%2fpayments", "%20", "%00"} {
			with(parts[i] + after)
		}
		if !strings.HasPrefix(names[i], "{") {
			with("x" + parts[i])
			with(parts[i] + "x")
			with(parts[i] + ".json")
			with(strings.ToUpper(parts[i]))
			last := len(parts[i]) - 1
			with(parts[i][:last] + strings.ToUpper(parts[i][last:]))
			with(fmt.Sprintf("%%%02x%s", parts[i][0], parts[i][1:]))
		}
	}
	return spoiled
}

// Queries returns queries that cannot be decoded.
func Queries() []string { return []string{"?%zz", "?a=%", "?limit=5;cursor=x", "?;"} }
