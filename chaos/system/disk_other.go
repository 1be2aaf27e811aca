//go:build !linux

package system

import "errors"

// Elsewhere there is no file system to be had that easily.

func mountDisk(string) error   { return errors.ErrUnsupported }
func unmountDisk(string) error { return errors.ErrUnsupported }
