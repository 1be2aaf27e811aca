package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// The types of settings. Each says what it must be; what UnmarshalText returns is
// only a sign that it is not.

var errBadSetting = errors.New("bad setting")

// hostPort is an address to listen on: an empty host is every interface.
type hostPort string

func (hostPort) must() string { return "host:port, such as 127.0.0.1:8080 or :8080" }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *hostPort) UnmarshalText(text []byte) error {
	if _, ok := splitAddress(string(text)); !ok {
		return errBadSetting
	}
	*a = hostPort(text)
	return nil
}

// splitAddress gives the host of an address with a numeric port.
func splitAddress(address string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '/' || r == '@' }) {
		return "", false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return host, err == nil
}

// nodeAddress is an address that others connect to.
type nodeAddress string

func (nodeAddress) must() string {
	return "host:port with a host that other nodes can reach, such as 10.0.0.7:7946"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *nodeAddress) UnmarshalText(text []byte) error {
	host, ok := splitAddress(string(text))
	if ip, err := netip.ParseAddr(host); !ok || host == "" || err == nil && ip.IsUnspecified() {
		return errBadSetting
	}
	*a = nodeAddress(text)
	return nil
}

// loopbackPort is an address that only this machine can reach.
type loopbackPort string

func (loopbackPort) must() string { return "host:port on a loopback address, such as 127.0.0.1:6060" }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *loopbackPort) UnmarshalText(text []byte) error {
	host, ok := splitAddress(string(text))
	ip, err := netip.ParseAddr(host)
	if !ok || host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return errBadSetting
	}
	*a = loopbackPort(text)
	return nil
}

// databaseURL says where Postgres is.
type databaseURL string

func (databaseURL) must() string {
	return "a PostgreSQL URL, such as postgres://user:password@host:5432/database"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *databaseURL) UnmarshalText(text []byte) error {
	s := string(text)
	if !strings.HasPrefix(s, "postgres://") && !strings.HasPrefix(s, "postgresql://") {
		return errBadSetting
	}
	if _, err := pgxpool.ParseConfig(s); err != nil {
		return errBadSetting // err may quote the password
	}
	*u = databaseURL(s)
	return nil
}

// natsURL says where NATS is: one URL or several, separated by commas.
type natsURL string

func (natsURL) must() string {
	return "a NATS URL or several separated by commas, such as nats://host:4222"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *natsURL) UnmarshalText(text []byte) error {
	for one := range strings.SplitSeq(string(text), ",") {
		parsed, err := url.Parse(strings.TrimSpace(one))
		if err != nil || parsed.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, parsed.Scheme) {
			return errBadSetting
		}
	}
	*u = natsURL(text)
	return nil
}

// signingKey is the node's key; nil where none was set.
type signingKey ed25519.PrivateKey

func (signingKey) must() string {
	return "an Ed25519 private key as PKCS #8 PEM, or @ and the path of a file that holds one " +
		"(openssl genpkey -algorithm ed25519)"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *signingKey) UnmarshalText(text []byte) error {
	content, err := pemText(text)
	if err != nil {
		return err
	}
	key, err := parseKey(content)
	*k = signingKey(key)
	return err
}

// pemText gives the PEM that a setting is, or names after @. Where an environment cannot
// hold line breaks, \n may stand for them.
func pemText(text []byte) ([]byte, error) {
	if path, isPath := strings.CutPrefix(string(text), "@"); isPath {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, errBadSetting
		}
		return content, nil
	}
	return []byte(strings.ReplaceAll(string(text), `\n`, "\n")), nil
}

func parseKey(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, errBadSetting
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errBadSetting
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errBadSetting
	}
	return private, nil
}

// maxDrainDelay leaves the rest of a drain its time.
const maxDrainDelay = 2 * time.Second

// drainDelay is a time that a drain waits.
type drainDelay time.Duration

func (drainDelay) must() string { return "a duration from 0s to " + maxDrainDelay.String() }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *drainDelay) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 || parsed > maxDrainDelay {
		return errBadSetting
	}
	*d = drainDelay(parsed)
	return nil
}

// Bounds of the times to live. The domain counts in whole milliseconds.
const (
	minTTL = 10 * time.Millisecond
	maxTTL = 24 * time.Hour
)

// ttl is how long something is good for.
type ttl time.Duration

func (ttl) must() string {
	return "a duration of whole milliseconds from " + minTTL.String() + " to 24h, such as 5m or 90s"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *ttl) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < minTTL || d > maxTTL || d%time.Millisecond != 0 {
		return errBadSetting
	}
	*t = ttl(d)
	return nil
}

// logLevel is the least level that is logged.
type logLevel slog.Level

func (logLevel) must() string { return "debug, info, warn or error" }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *logLevel) UnmarshalText(text []byte) error {
	var level slog.Level
	if strings.ContainsAny(string(text), "+-") || level.UnmarshalText(text) != nil {
		return errBadSetting
	}
	*l = logLevel(level)
	return nil
}

// logFormat is the form of the log.
type logFormat string

// The forms of the log.
const (
	logAuto logFormat = "auto"
	logText logFormat = "text"
	logJSON logFormat = "json"
)

func (logFormat) must() string { return "auto, text or json" }

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *logFormat) UnmarshalText(text []byte) error {
	if !slices.Contains([]logFormat{logAuto, logText, logJSON}, logFormat(text)) {
		return errBadSetting
	}
	*f = logFormat(text)
	return nil
}
