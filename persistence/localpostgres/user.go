package localpostgres

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownerOf gives whose a directory is.
func ownerOf(dir string) (uid, gid uint32, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, 0, fmt.Errorf("find the owner of the cluster: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	return owner.Uid, owner.Gid, nil
}

// keepUser decides whom the server of an existing cluster runs as: its owner, always.
// nil is the user of this process.
func keepUser(self int, uid, gid uint32) (*syscall.Credential, error) {
	switch {
	case int(uid) == self && self != 0:
		return nil, nil
	case self == 0 && uid != 0:
		return &syscall.Credential{Uid: uid, Gid: gid}, nil
	default:
		return nil, fmt.Errorf("its cluster belongs to the user with id %d, and this is the user with id %d: run as that user, or choose another directory", uid, self)
	}
}

// chooseUser decides whom the server of a new cluster runs as; nil is the user of this
// process.
func chooseUser(self int) (*syscall.Credential, error) {
	if self != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if errors.As(err, new(user.UnknownUserError)) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for an unprivileged user: %w", err)
		}
		uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("look for an unprivileged user: %w", err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody to run it as")
}
