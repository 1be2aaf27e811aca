package persistence_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice/persistence"
)

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://u:p@h:5432/d?sslmode=disable", "postgresql://h/d", "postgres://u:p%40ss%2Fword@h/d", "postgres://u:p@ss@h/d",
		"postgres://h1,h2/d?target_session_attrs=read-write",
	} {
		require.NoError(t, persistence.CheckURL(url), url)
	}
	for _, url := range []string{
		"", "localhost", "mysql://h/d", "host=h", "postgres://h:port/d", "postgres://h/d?sslmode=never",
		"postgres://h/d?pool_max_conns=8", "postgres://h/d?pool_min_conns=x",
		"postgres://app:p@ss/w:rd@host/db", "postgres://app:12/rd@host/db", "postgres://app:12?rd@host/db", "postgres://app:p@ss#rd@host/db",
		"postgres://app:p#ss@host/db", "postgres://app:p/ss@host/db",
	} {
		err := persistence.CheckURL(url)
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "ss/")
		_, err = persistence.Open(t.Context(), url, persistence.Config{})
		require.Error(t, err, url)
	}
}

func TestMayBePlain(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://db/d":                                "db",
		"postgres://db/d?sslmode=prefer":                 "db",
		"postgres://localhost,db/d?sslmode=allow":        "db",
		"postgres://db/d?sslmode=disable":                "",
		"postgres://db/d?sslmode=require":                "",
		"postgres://localhost/d":                         "",
		"postgres://127.0.0.1/d":                         "",
		"postgres://[::1]/d":                             "",
		"postgres:///d?host=/var/run/postgresql&user=me": "",
	} {
		require.Equal(t, want, persistence.MayBePlain(url), url)
	}
}
