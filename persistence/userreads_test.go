package persistence_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

// Many who ask at once are each told of their own user, or that there is none.
func TestUsersAreReadTogether(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var all sync.WaitGroup
	for n := range 300 {
		id, want := newID(), boxoffice.CodeUserNotFound
		if n%3 > 0 {
			id, want = f.user(0), ""
		}
		all.Go(func() {
			for range 3 {
				user, err := f.db.User(f.ctx, id)
				if want != "" {
					if boxoffice.CodeOf(err) != want || user != (boxoffice.User{}) {
						t.Errorf("somebody is nobody: %v, %v", user, err)
					}
					continue
				}
				if err != nil || user.ID != id || user.Name != "Ada" || !user.CreatedAt.Equal(f.now) {
					t.Errorf("another user: %+v instead of %v, %v", user, id, err)
				}
			}
		})
	}
	all.Wait()
	ended, cancel := context.WithCancel(f.ctx)
	cancel()
	_, err := f.db.User(ended, uuid.New())
	require.Error(t, err)
}
