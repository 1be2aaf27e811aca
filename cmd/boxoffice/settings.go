package main

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// settingPrefix is what the names of all settings begin with.
const settingPrefix = "BOXOFFICE_"

// settings is everything that can be configured; the table below says how.
type settings struct {
	Listen           string
	DatabaseURL      string // empty: a private PostgreSQL
	DatabaseConns    int
	NATSURL          string // empty: an embedded server
	DataDir          string
	NATSCredentials  string // path
	NATSTLS, NodeTLS tlsFiles
	ClusterName      string
	NodeAddress      string
	NodeBind         string // empty: NodeAddress
	JWTKey           ed25519.PrivateKey
	HoldTTL          time.Duration
	AdmissionTTL     time.Duration
	ClaimTTL         time.Duration
	QueueCapacity    int
	AdmitPerSecond   int // 0: no limit
	QueueMaxWaiting  int
	RateLimit        int // 0: off
	TrustedProxies   []netip.Prefix
	DrainDelay       time.Duration
	StartTimeout     time.Duration
	MaxConnections   int
	MaxStreams       int
	Demo             *bool // nil: where both Postgres and NATS are the program's own
	LogLevel         slog.Level
	LogFormat        string
	DebugListen      string // empty: no profiles
}

// The limits of times to live. The domain counts in whole milliseconds.
const (
	minTTL = 10 * time.Millisecond
	maxTTL = 24 * time.Hour
	// Whoever waits is told to ask again after half an admission at most, and Retry-After says
	// it in whole seconds: an admission must not be over by then.
	minAdmissionTTL = time.Second
	// maxDrainDelay leaves the rest of a drain its time.
	maxDrainDelay = 2 * time.Second
)

// defaultConnections is the default of BOXOFFICE_MAX_CONNECTIONS.
const defaultConnections = "25000"

// defaultDataDir is the default of BOXOFFICE_DATA_DIR.
const defaultDataDir = "./.boxoffice"

// setting is a row of the table: a variable, its default if it is unset or empty, and its
// meaning. boxoffice help and the README's table are made of these.
type setting struct {
	name, fallback, help string
	value
}

func (s *settings) table() []setting {
	const file = " (PEM, or a file's path after @)"
	return []setting{
		{"BOXOFFICE_LISTEN", "127.0.0.1:8080", "HTTP address; port 0 picks one, the ready line on stderr says which", listenAddress(&s.Listen)},
		{"BOXOFFICE_DATABASE_URL", "", "PostgreSQL (or a file's path after @); without it a private one is started under the data directory", databaseURL(&s.DatabaseURL)},
		{"BOXOFFICE_DATABASE_CONNECTIONS", "16", "most connections to PostgreSQL at a time", number(&s.DatabaseConns, 4, 1000)},
		{"BOXOFFICE_NATS_URL", "", "NATS with JetStream, several servers separated by commas (or a file's path after @); without it an embedded server is started in the process", natsURL(&s.NATSURL)},
		{"BOXOFFICE_DATA_DIR", defaultDataDir, "what the two embedded defaults and the made signing key are kept in", text(&s.DataDir, "a path", func(string) bool { return true })},
		{"BOXOFFICE_NATS_CREDENTIALS", "", "path of a NATS credentials file, read again at each connection; a user and a password are part of the URL", credentialsFile(&s.NATSCredentials)},
		{"BOXOFFICE_NATS_TLS_CA", "", "CA certificates" + file + " that vouch for the NATS servers; without them the system's do, where the server or a tls:// URL asks for TLS", certificates(&s.NATSTLS.ca)},
		{"BOXOFFICE_NATS_TLS_CERT", "", "certificate" + file + " that this node shows to NATS", certificates(&s.NATSTLS.certificate)},
		{"BOXOFFICE_NATS_TLS_KEY", "", "private key" + file + " of that certificate", privateKey(&s.NATSTLS.key)},
		{"BOXOFFICE_CLUSTER_NAME", "boxoffice", "what the nodes of one service call themselves; services that share a NATS need different ones", clusterName(&s.ClusterName)},
		{"BOXOFFICE_NODE_ADDRESS", "127.0.0.1:0", "where other nodes reach this one; port 0 picks one, if BOXOFFICE_NODE_BIND is not set", nodeAddress(&s.NodeAddress)},
		{"BOXOFFICE_NODE_BIND", "", "where this node listens for the others, if they reach it at another address: through a proxy, or by the name of a container; without it, at BOXOFFICE_NODE_ADDRESS", listenAddress(&s.NodeBind)},
		{"BOXOFFICE_NODE_TLS_CA", "", "CA certificates" + file + " that vouch for the nodes; with it nodes talk mutual TLS, and whoever has a certificate of this CA is a node", certificates(&s.NodeTLS.ca)},
		{"BOXOFFICE_NODE_TLS_CERT", "", "this node's certificate" + file + ", for the host of BOXOFFICE_NODE_ADDRESS, as server and as client", certificates(&s.NodeTLS.certificate)},
		{"BOXOFFICE_NODE_TLS_KEY", "", "private key" + file + " of that certificate", privateKey(&s.NodeTLS.key)},
		{"BOXOFFICE_JWT_KEY", "", "Ed25519 private key (PKCS #8 PEM, or a file's path after @), the same on every node; without it one is made and kept in the data directory", signingKey(&s.JWTKey)},
		{"BOXOFFICE_HOLD_TTL", "5m", "how long a seat is held for its payment", duration(&s.HoldTTL, minTTL, maxTTL)},
		{"BOXOFFICE_ADMISSION_TTL", "10m", "how long an admitted place in line is good for; a live hold lengthens it", duration(&s.AdmissionTTL, minAdmissionTTL, maxTTL)},
		{"BOXOFFICE_CLAIM_TTL", "60s", "how soon after being admitted the holder of a place must be seen", duration(&s.ClaimTTL, minTTL, maxTTL)},
		{"BOXOFFICE_QUEUE_CAPACITY", "100", "a new schedule's capacity: most people admitted at a time", number(&s.QueueCapacity, 1, 100_000)},
		{"BOXOFFICE_QUEUE_ADMIT_PER_SECOND", "0", "a new schedule's admissions per second; 0 = no limit", number(&s.AdmitPerSecond, 0, 1_000_000)},
		{"BOXOFFICE_QUEUE_MAX_WAITING", "1000000", "most people waiting for one schedule; past it joins get 503 queue-full", number(&s.QueueMaxWaiting, 1, 10_000_000)},
		{"BOXOFFICE_RATE_LIMIT", "0", "requests per second and client address, with a burst of one second; 0 = off", number(&s.RateLimit, 0, 1_000_000)},
		{"BOXOFFICE_TRUSTED_PROXIES", "", "networks and addresses, separated by commas, of the load balancers whose X-Forwarded-For identifies the client", prefixes(&s.TrustedProxies)},
		{"BOXOFFICE_DRAIN_DELAY", "0s", "how long a node that drains still takes new connections, for load balancers to see that it is not ready", duration(&s.DrainDelay, 0, maxDrainDelay)},
		{"BOXOFFICE_START_TIMEOUT", "30s", "how long a start waits, in all, for PostgreSQL, NATS and the other nodes before it fails", duration(&s.StartTimeout, minTTL, maxTTL)},
		{"BOXOFFICE_MAX_CONNECTIONS", defaultConnections, "most HTTP connections at a time, streams included, if as many files may be open; past it new ones wait to be accepted", number(&s.MaxConnections, 1, 1_000_000)},
		{"BOXOFFICE_MAX_STREAMS", "20000", "most streams of events at a time, and never more than four fifths of the connections; past it further ones get 503", number(&s.MaxStreams, 1, 1_000_000)},
		{"BOXOFFICE_DEMO", "", "true or false: whether a few concerts are loaded at first start; without it they are where both PostgreSQL and NATS are the program's own", boolean(&s.Demo)},
		{"BOXOFFICE_LOG_LEVEL", "info", "least level that is logged: debug, info, warn or error", logLevel(&s.LogLevel)},
		{"BOXOFFICE_LOG_FORMAT", "auto", "text, json, or auto: text when stderr is a terminal, else json", logFormat(&s.LogFormat)},
		{"BOXOFFICE_DEBUG_LISTEN", "", "loopback address that serves Go profiles under /debug/pprof; without it there are none", loopbackAddress(&s.DebugListen)},
	}
}

// embedded reports whether both Postgres and NATS are the program's own.
func (s settings) embedded() bool { return s.DatabaseURL == "" && s.NATSURL == "" }

// demo reports whether the demo data is wanted.
func (s settings) demo() bool {
	if s.Demo == nil {
		return s.embedded()
	}
	return *s.Demo
}

// streams returns how many streams of events may be open. They may take four fifths of the
// connections; the rest is for other requests, operators' above all.
func (s settings) streams() int { return min(s.MaxStreams, s.MaxConnections-s.MaxConnections/5) }

// loadSettings reads the settings from "NAME=value" pairs. What is wrong comes back as
// a usageError that names each bad variable and what it must be.
func loadSettings(environ []string) (settings, error) {
	variables := map[string]string{}
	for _, variable := range environ {
		name, text, _ := strings.Cut(variable, "=")
		variables[name] = text
	}
	var s settings
	var problems []string
	for _, row := range s.table() {
		if text := cmp.Or(variables[row.name], row.fallback); text != "" {
			if err := row.set(text); err != nil {
				problems = append(problems, row.complaint(text, err))
			}
		}
	}
	if len(problems) == 0 {
		problems = s.contradictions()
	}
	if len(problems) > 0 {
		return settings{}, usageError{message: strings.Join(problems, "; ")}
	}
	return s, nil
}

// complaint returns what a variable must be, and what it is: a file that cannot be read, or
// another text, which is not repeated if it may be secret.
func (row setting) complaint(text string, err error) string {
	complaint := row.name + " must be " + row.must
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return complaint + ": " + err.Error()
	}
	if row.secret {
		return complaint
	}
	return fmt.Sprintf("%s, not %q", complaint, text)
}

// contradictions returns which settings are valid by themselves but not together.
func (s settings) contradictions() []string {
	problems := append(s.NodeTLS.contradictions("BOXOFFICE_NODE_TLS", true), s.NATSTLS.contradictions("BOXOFFICE_NATS_TLS", false)...)
	if s.NATSURL == "" && (s.NATSCredentials != "" || len(s.NATSTLS.ca)+len(s.NATSTLS.certificate) > 0) {
		problems = append(problems, "BOXOFFICE_NATS_URL must be set where BOXOFFICE_NATS_CREDENTIALS or BOXOFFICE_NATS_TLS_CA are")
	}
	if _, port, _ := net.SplitHostPort(s.NodeAddress); s.NodeBind != "" && strings.Trim(port, "0") == "" {
		problems = append(problems, "BOXOFFICE_NODE_ADDRESS must have a port other than 0 where BOXOFFICE_NODE_BIND is set")
	}
	return problems
}

// unknownSettings returns the variables that look like settings but are not: usually typing
// errors.
func unknownSettings(environ []string) []string {
	table := new(settings).table()
	var unknown []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		known := slices.ContainsFunc(table, func(row setting) bool { return row.name == name })
		if strings.HasPrefix(name, settingPrefix) && !known {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// meaning returns the description of a setting for help and the README.
func (row setting) meaning() string {
	if row.bounds == "" {
		return row.help
	}
	return row.help + "; " + row.bounds
}

// markdownTable returns the table for the README.
func markdownTable() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, row := range new(settings).table() {
		fallback := "–"
		if row.fallback != "" {
			fallback = "`" + row.fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", row.name, fallback, row.meaning())
	}
	return b.String()
}
