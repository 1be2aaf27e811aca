package localpostgres

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// chooseUser decides whom the server runs as: nil for this process's own user. The
// owner of an existing cluster keeps it.
func chooseUser(dataDir string, exists bool) (*syscall.Credential, error) {
	self := os.Geteuid()
	if exists {
		info, err := os.Stat(dataDir)
		if err != nil {
			return nil, fmt.Errorf("find the owner of the cluster: %w", err)
		}
		owner := info.Sys().(*syscall.Stat_t)
		switch {
		case self == 0 && owner.Uid != 0:
			return &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}, nil
		case int(owner.Uid) != self:
			return nil, fmt.Errorf("its cluster belongs to the user with id %d and this is the user with id %d: run as that user, or choose another directory", owner.Uid, self)
		}
	}
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
