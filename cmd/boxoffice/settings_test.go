package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSettingsDefaults(t *testing.T) {
	t.Parallel()
	s, err := loadSettings(nil)
	require.NoError(t, err)
	require.Equal(t, settings{
		Listen:          "127.0.0.1:8080",
		DatabaseConns:   16,
		DataDir:         "./.boxoffice",
		ClusterName:     "boxoffice",
		NodeAddress:     "127.0.0.1:0",
		HoldTTL:         5 * time.Minute,
		AdmissionTTL:    10 * time.Minute,
		ClaimTTL:        time.Minute,
		QueueCapacity:   100,
		QueueMaxWaiting: 1_000_000,
		StartTimeout:    30 * time.Second,
		MaxConnections:  25_000,
		MaxStreams:      20_000,
		LogLevel:        slog.LevelInfo,
		LogFormat:       logAuto,
	}, s)
	require.True(t, s.embedded())
	require.True(t, s.demo())
}

func TestSettingsOfTheProcessAreNotReadByThemselves(t *testing.T) {
	t.Setenv("BOXOFFICE_QUEUE_CAPACITY", "7")
	s, err := loadSettings(nil)
	require.NoError(t, err)
	require.Equal(t, 100, s.QueueCapacity)
}

func TestEmptySettingCountsAsUnset(t *testing.T) {
	t.Parallel()
	var environ []string
	for _, row := range new(settings).table() {
		environ = append(environ, row.name+"=")
	}
	got, err := loadSettings(environ)
	require.NoError(t, err)
	want, err := loadSettings(nil)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestDemoFollowsTheDefaultsUnlessItIsSet(t *testing.T) {
	t.Parallel()
	const database, nats = "BOXOFFICE_DATABASE_URL=postgres://h/d", "BOXOFFICE_NATS_URL=nats://h"
	for name, test := range map[string]struct {
		environ []string
		want    bool
	}{
		"both embedded":        {nil, true},
		"both embedded, off":   {[]string{"BOXOFFICE_DEMO=false"}, false},
		"external database":    {[]string{database}, false},
		"external NATS":        {[]string{nats}, false},
		"both external, on":    {[]string{database, nats, "BOXOFFICE_DEMO=true"}, true},
		"external, empty demo": {[]string{database, nats, "BOXOFFICE_DEMO="}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := loadSettings(test.environ)
			require.NoError(t, err)
			require.Equal(t, test.want, s.demo())
		})
	}
}

func TestSettingsTakeGoodValues(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"BOXOFFICE_LISTEN":                 {":8080", "0.0.0.0:0", "[::1]:65535", "localhost:1"},
		"BOXOFFICE_DATABASE_URL":           {"postgres://u:p@h:5432/d?sslmode=disable", "postgresql://h/d"},
		"BOXOFFICE_DATABASE_CONNECTIONS":   {"4", "1000"},
		"BOXOFFICE_NATS_URL":               {"nats://h:4222", "tls://h", "nats://a:1,nats://b:2", "nats://u:p@h"},
		"BOXOFFICE_NODE_ADDRESS":           {"node1:7946", "[fd00::7]:0"},
		"BOXOFFICE_CLUSTER_NAME":           {"b", "box-office_2"},
		"BOXOFFICE_TRUSTED_PROXIES":        {"10.0.0.0/8", "::1", "10.0.0.1, 10.0.0.2"},
		"BOXOFFICE_DRAIN_DELAY":            {"0s", "2s", "500ms"},
		"BOXOFFICE_NODE_BIND":              {":7946", "0.0.0.0:7946"},
		"BOXOFFICE_HOLD_TTL":               {"10ms", "24h", "1m30s"},
		"BOXOFFICE_ADMISSION_TTL":          {"1s"},
		"BOXOFFICE_CLAIM_TTL":              {"10ms"},
		"BOXOFFICE_QUEUE_CAPACITY":         {"1", "100000"},
		"BOXOFFICE_QUEUE_ADMIT_PER_SECOND": {"0", "1000000"},
		"BOXOFFICE_DEMO":                   {"true", "false", "1", "0"},
		"BOXOFFICE_LOG_LEVEL":              {"debug", "WARN", "error"},
		"BOXOFFICE_LOG_FORMAT":             {"text", "json"},
		"BOXOFFICE_DEBUG_LISTEN":           {"127.0.0.1:0", "localhost:6060", "[::1]:6060"},
	} {
		for _, value := range values {
			environ := []string{name + "=" + value}
			if name == "BOXOFFICE_NODE_BIND" {
				environ = append(environ, "BOXOFFICE_NODE_ADDRESS=node1:7946")
			}
			_, err := loadSettings(environ)
			require.NoError(t, err, "%s=%s", name, value)
		}
	}
}

// badValues are at least one bad value for every setting that has any.
func badValues() map[string][]string {
	const key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	return map[string][]string{
		"BOXOFFICE_LISTEN":                 {"8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "http://h:80", "a b:80"},
		"BOXOFFICE_DATABASE_URL":           {"localhost", "postgres://h/d?pool_max_conns=8", "postgres://a:p@ss/w:rd@h/d", "@/does/not/exist", "@/dev/null"},
		"BOXOFFICE_DATABASE_CONNECTIONS":   {"3", "1001", "many", "1.5", "99999999999999999999"},
		"BOXOFFICE_NATS_URL":               {"localhost:4222", "http://h:4222", "nats://", "nats://a,", "nats://h:port", "nats://h:99999", "nats://a:4222,tls://b:65536", "nats://a:p@ss/rd@h", "@/does/not/exist"},
		"BOXOFFICE_NATS_CREDENTIALS":       {"/does/not/exist", "/", "/dev/null", "settings_test.go"},
		"BOXOFFICE_NATS_TLS_CA":            {"secret", "@/does/not/exist", "@/dev/null"},
		"BOXOFFICE_NATS_TLS_CERT":          {"secret", "@/does/not/exist", key, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
		"BOXOFFICE_NATS_TLS_KEY":           {"secret", "@/does/not/exist"},
		"BOXOFFICE_NODE_TLS_CA":            {"secret", "@/does/not/exist", key},
		"BOXOFFICE_NODE_TLS_CERT":          {"secret", "@"},
		"BOXOFFICE_NODE_TLS_KEY":           {"secret", "@", strings.ReplaceAll(key, "PRIVATE", "PUBLIC"), strings.ReplaceAll(key, "PRIVATE", "ENCRYPTED PRIVATE")},
		"BOXOFFICE_CLUSTER_NAME":           {"box office", "a.b", "*", strings.Repeat("x", 65)},
		"BOXOFFICE_TRUSTED_PROXIES":        {"all", "10.0.0.0/33", "10.0.0.1,", "fe80::1%eth0"},
		"BOXOFFICE_DRAIN_DELAY":            {"1", "-1s", "2001ms"},
		"BOXOFFICE_NODE_ADDRESS":           {"node1", ":7946", "0.0.0.0:7946", "[::]:7946", "node1:port"},
		"BOXOFFICE_NODE_BIND":              {"7946", "node1"},
		"BOXOFFICE_JWT_KEY":                {"secret", "@/does/not/exist", "@"},
		"BOXOFFICE_HOLD_TTL":               {"5", "-5m", "0s", "9ms", "24h1s", "1500us", "soon"},
		"BOXOFFICE_ADMISSION_TTL":          {"10", "0", "999ms"},
		"BOXOFFICE_CLAIM_TTL":              {"60", "1ns"},
		"BOXOFFICE_QUEUE_CAPACITY":         {"0", "100001", "-1", "ten"},
		"BOXOFFICE_QUEUE_ADMIT_PER_SECOND": {"-1", "1000001", "0.5"},
		"BOXOFFICE_QUEUE_MAX_WAITING":      {"0", "10000001"},
		"BOXOFFICE_RATE_LIMIT":             {"-1", "1000001", "off"},
		"BOXOFFICE_START_TIMEOUT":          {"30", "25h"},
		"BOXOFFICE_MAX_CONNECTIONS":        {"0", "1000001"},
		"BOXOFFICE_MAX_STREAMS":            {"0", "1000001"},
		"BOXOFFICE_DEMO":                   {"yes", "2"},
		"BOXOFFICE_LOG_LEVEL":              {"loud", "info+1", "1"},
		"BOXOFFICE_LOG_FORMAT":             {"xml", "JSON"},
		"BOXOFFICE_DEBUG_LISTEN":           {":6060", "0.0.0.0:6060", "192.0.2.1:6060", "6060"},
	}
}

func TestBadSettingsAreNamedOnOneLine(t *testing.T) {
	t.Parallel()
	bad := badValues()
	for _, row := range new(settings).table() {
		if row.name == "BOXOFFICE_DATA_DIR" {
			continue // any path may be one; serve tells when it cannot be used
		}
		require.NotEmpty(t, bad[row.name], "no bad value of %s", row.name)
		for _, value := range bad[row.name] {
			for _, args := range [][]string{{"serve"}, {"migrate"}, {"token", "-role", "admin"}, {"healthcheck"}} {
				status, stdout, stderr := runProgram(t, args, row.name+"="+value)
				require.Equal(t, exitUsage, status, "%s with %s=%s: %s", args, row.name, value, stderr)
				require.Empty(t, stdout)
				require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
				require.Contains(t, stderr, row.name+" must be ")
			}
		}
	}
}

func TestNodesThatListenElsewhereNeedAPort(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{
		{"BOXOFFICE_NODE_BIND=0.0.0.0:0"},
		{"BOXOFFICE_NODE_BIND=:7946", "BOXOFFICE_NODE_ADDRESS=node1:00"},
	} {
		status, _, stderr := runProgram(t, []string{"serve"}, environ...)
		require.Equal(t, exitUsage, status)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.Contains(t, stderr, "BOXOFFICE_NODE_ADDRESS must have a port other than 0")
	}
}

func TestAllBadSettingsAreNamed(t *testing.T) {
	t.Parallel()
	_, err := loadSettings([]string{"BOXOFFICE_QUEUE_CAPACITY=0", "BOXOFFICE_DEMO=perhaps", "BOXOFFICE_LISTEN=here"})
	require.EqualError(t, err, `BOXOFFICE_LISTEN must be host:port, such as 127.0.0.1:8080 or :8080, not "here"; `+
		`BOXOFFICE_QUEUE_CAPACITY must be a whole number from 1 to 100000, not "0"; `+
		`BOXOFFICE_DEMO must be true or false, not "perhaps"`)
}

func TestSecretsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"BOXOFFICE_DATABASE_URL", "BOXOFFICE_NATS_URL", "BOXOFFICE_JWT_KEY"} {
		_, err := loadSettings([]string{name + "=postgres://u:hunter2@:x/hunter2?hunter2=%zz"})
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestAMissingFileIsToldAsOne(t *testing.T) {
	t.Parallel()
	for _, row := range new(settings).table() {
		if !strings.Contains(row.must, "path of a file") {
			continue
		}
		missing := filepath.Join(t.TempDir(), "missing")
		path := "@" + missing
		if row.name == "BOXOFFICE_NATS_CREDENTIALS" {
			path = missing
		}
		_, err := loadSettings([]string{row.name + "=" + path})
		require.ErrorContains(t, err, row.name)
		require.ErrorContains(t, err, missing+": no such file or directory")
	}
}

func TestURLsMayBeInFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"database": "postgres://u:p@h/d\n", "nats": "nats://u:p@h:4222\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	s, err := loadSettings([]string{
		"BOXOFFICE_DATABASE_URL=@" + filepath.Join(dir, "database"), "BOXOFFICE_NATS_URL=@" + filepath.Join(dir, "nats"),
	})
	require.NoError(t, err)
	require.Equal(t, "postgres://u:p@h/d", s.DatabaseURL)
	require.Equal(t, "nats://u:p@h:4222", s.NATSURL)
}

func TestJWTKeyIsPEMOrAFile(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	text := encodeKey(t, private)
	path := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))

	for name, value := range map[string]string{
		"text":                text,
		"text with \\n":       strings.ReplaceAll(text, "\n", `\n`),
		"file":                "@" + path,
		"text after comments": "# a comment\n" + text,
	} {
		s, err := loadSettings([]string{"BOXOFFICE_JWT_KEY=" + value})
		require.NoError(t, err, name)
		require.Equal(t, private, s.JWTKey, name)
	}

	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, err = loadSettings([]string{"BOXOFFICE_JWT_KEY=" + encodeKey(t, other)})
	require.ErrorContains(t, err, "BOXOFFICE_JWT_KEY must be an Ed25519 private key")
}

func encodeKey(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}))
}

func TestUnknownSettings(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"BOXOFFICE_DEMOS", "BOXOFFICE_HOLD_TLL"}, unknownSettings([]string{
		"BOXOFFICE_HOLD_TLL=5m", "BOXOFFICE_HOLD_TTL=5m", "PATH=/bin", "BOXOFFICE_DEMOS=",
	}))
}

func TestHelpAndREADMEListEverySetting(t *testing.T) {
	t.Parallel()
	status, help, _ := runProgram(t, []string{"help"})
	require.Equal(t, exitStopped, status)
	for _, row := range new(settings).table() {
		require.NotEmpty(t, row.help, row.name)
		require.Contains(t, help, row.name)
		require.Contains(t, help, row.meaning())
		require.Contains(t, help, row.fallback)
	}

	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	if table := markdownTable(); !strings.Contains(string(readme), table) {
		require.FailNow(t, "the README's table of settings must be this one", table)
	}
}

func TestBoundsThatAreShownAreTaken(t *testing.T) {
	t.Parallel()
	for _, row := range new(settings).table() {
		if row.bounds == "" {
			continue
		}
		for bound := range strings.SplitSeq(row.bounds, "–") {
			_, err := loadSettings([]string{row.name + "=" + bound})
			require.NoError(t, err, "%s of %s", bound, row.name)
			require.Contains(t, row.must, bound)
		}
	}
}

func TestStreamsLeaveConnectionsToOthers(t *testing.T) {
	t.Parallel()
	for _, limits := range []struct{ connections, streams, want int }{
		{25_000, 20_000, 20_000}, // the defaults
		{1_000, 20_000, 800},
		{25_000, 100, 100},
		{3, 3, 3},
		{1, 1, 1},
	} {
		s := settings{MaxConnections: limits.connections, MaxStreams: limits.streams}
		require.Equal(t, limits.want, s.streams(), "%+v", limits)
	}
}
