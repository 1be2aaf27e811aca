//go:build !failpoint

package failpoint

import "time"

// Hit does nothing in this build.
func Hit(Point) {}

// Now is the process's clock.
func Now() time.Time { return time.Now() }
