package boxoffice

import (
	"archive/zip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"time"
)

// zoneinfo is the IANA time zone database as it comes with Go (lib/time/zoneinfo.zip, in
// the public domain): which zones exist and what they mean must not depend on the machine,
// and the domain reads no files.
//
//go:embed zoneinfo.zip
var zoneinfo string

// LoadZone returns the time zone of the IANA database with this exact name.
func LoadZone(name string) (*time.Location, error) {
	archive, err := zip.NewReader(strings.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		return nil, fmt.Errorf("read the time zone database: %w", err)
	}
	for _, file := range archive.File {
		if file.Name != name || strings.HasSuffix(name, "/") {
			continue
		}
		data, err := file.Open()
		if err != nil {
			return nil, fmt.Errorf("read time zone %q: %w", name, err)
		}
		rules, err := io.ReadAll(data)
		if err != nil {
			return nil, fmt.Errorf("read time zone %q: %w", name, err)
		}
		return time.LoadLocationFromTZData(name, rules)
	}
	return nil, fmt.Errorf("there is no time zone %q", name)
}

// startOfDay returns the first moment of the day that t lies on in a zone. Where the clock
// is put forward at midnight that is not 00:00, and where it is put back over midnight it
// is the first of two.
func startOfDay(t time.Time, zone *time.Location) time.Time {
	year, month, day := t.In(zone).Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if midnight.Day() != day {
		_, gapEnd := midnight.ZoneBounds() // 00:00 does not exist; Date returned a time before the gap
		return gapEnd.UTC()
	}
	start, _ := midnight.ZoneBounds()
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		_, after := midnight.Zone()
		if first := midnight.Add(time.Duration(after-before) * time.Second); first.Before(start) {
			return first.UTC()
		}
	}
	return midnight.UTC()
}
