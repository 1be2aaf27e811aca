package system

import (
	"fmt"
	"strconv"
	"syscall"
)

// mountDisk makes a directory a file system of its own, in memory.
func mountDisk(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+strconv.Itoa(diskBytes)); err != nil {
		return fmt.Errorf("mount a file system on %s: %w", dir, err)
	}
	return nil
}

func unmountDisk(dir string) error {
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}
