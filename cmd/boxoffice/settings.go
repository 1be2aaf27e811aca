package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"
)

// settingPrefix is what the names of all settings begin with.
const settingPrefix = "BOXOFFICE_"

// settings is the one table of what can be set: the parser, boxoffice help and the
// README's table are all made from its tags.
//
//	env         the variable
//	envDefault  the value of a variable that is unset or empty
//	min, max    bounds of numbers and durations, both included (of durations: their types check)
//	default     what help says of the default where there is no fixed value
//	help        the meaning, for help and the README
//	secret      "true" where messages must not repeat the value
type settings struct {
	Listen          hostPort     `env:"BOXOFFICE_LISTEN" envDefault:"127.0.0.1:8080" help:"HTTP address; port 0 picks one, the ready line on stderr says which"`
	DatabaseURL     databaseURL  `env:"BOXOFFICE_DATABASE_URL" secret:"true" help:"PostgreSQL; without it a private one is started under the data directory"`
	DatabaseConns   int          `env:"BOXOFFICE_DATABASE_CONNECTIONS" envDefault:"16" min:"4" max:"1000" help:"most connections to PostgreSQL at a time"`
	NATSURL         natsURL      `env:"BOXOFFICE_NATS_URL" secret:"true" help:"NATS with JetStream, several servers separated by commas; without it an embedded server is started in the process"`
	DataDir         string       `env:"BOXOFFICE_DATA_DIR" envDefault:"./.boxoffice" help:"what the two embedded defaults and the made signing key are kept in"`
	NATSCredentials filePath     `env:"BOXOFFICE_NATS_CREDENTIALS" help:"path of a NATS credentials file, read again at each connection; a user and a password are part of the URL"`
	NATSTLSCA       certificates `env:"BOXOFFICE_NATS_TLS_CA" help:"CA certificates (PEM, or a file's path after @) that vouch for the NATS servers; without them the system's do, where the server or a tls:// URL asks for TLS"`
	NATSTLSCert     certificates `env:"BOXOFFICE_NATS_TLS_CERT" help:"certificate (PEM, or a file's path after @) that this node shows to NATS"`
	NATSTLSKey      privateKey   `env:"BOXOFFICE_NATS_TLS_KEY" secret:"true" help:"private key (PEM, or a file's path after @) of that certificate"`
	ClusterName     clusterName  `env:"BOXOFFICE_CLUSTER_NAME" envDefault:"boxoffice" help:"what the nodes of one service call themselves; services that share a NATS need different ones"`
	NodeAddress     nodeAddress  `env:"BOXOFFICE_NODE_ADDRESS" envDefault:"127.0.0.1:0" help:"where other nodes reach this one; port 0 picks one"`
	NodeBind        hostPort     `env:"BOXOFFICE_NODE_BIND" default:"the same" help:"where this node listens for the others, if they reach it at another address: through a proxy, or by the name of a container"`
	NodeTLSCA       certificates `env:"BOXOFFICE_NODE_TLS_CA" help:"CA certificates (PEM, or a file's path after @) that vouch for the nodes; with it nodes talk mutual TLS, and whoever has a certificate of this CA is a node"`
	NodeTLSCert     certificates `env:"BOXOFFICE_NODE_TLS_CERT" help:"this node's certificate (PEM, or a file's path after @), for the host of BOXOFFICE_NODE_ADDRESS, as server and as client"`
	NodeTLSKey      privateKey   `env:"BOXOFFICE_NODE_TLS_KEY" secret:"true" help:"private key (PEM, or a file's path after @) of that certificate"`
	JWTKey          signingKey   `env:"BOXOFFICE_JWT_KEY" secret:"true" help:"Ed25519 private key (PKCS #8 PEM, or a file's path after @), the same on every node; without it one is made and kept in the data directory"`
	HoldTTL         ttl          `env:"BOXOFFICE_HOLD_TTL" envDefault:"5m" min:"10ms" max:"24h" help:"how long a seat is held for its payment"`
	AdmissionTTL    ttl          `env:"BOXOFFICE_ADMISSION_TTL" envDefault:"10m" min:"10ms" max:"24h" help:"how long an admitted place in line is good for; a live hold lengthens it"`
	ClaimTTL        ttl          `env:"BOXOFFICE_CLAIM_TTL" envDefault:"60s" min:"10ms" max:"24h" help:"how soon after being admitted the holder of a place must be seen"`
	QueueCapacity   int          `env:"BOXOFFICE_QUEUE_CAPACITY" envDefault:"100" min:"1" max:"100000" help:"a new schedule's capacity: most people admitted at a time"`
	AdmitPerSecond  int          `env:"BOXOFFICE_QUEUE_ADMIT_PER_SECOND" envDefault:"0" min:"0" max:"1000000" help:"a new schedule's admissions per second; 0 = no limit"`
	QueueMaxWaiting int          `env:"BOXOFFICE_QUEUE_MAX_WAITING" envDefault:"1000000" min:"1" max:"10000000" help:"most people waiting for one schedule; past it joins get 503 queue-full"`
	RateLimit       int          `env:"BOXOFFICE_RATE_LIMIT" envDefault:"0" min:"0" max:"1000000" help:"requests per second and client address, with a burst of one second; 0 = off"`
	TrustedProxies  prefixes     `env:"BOXOFFICE_TRUSTED_PROXIES" help:"networks and addresses, separated by commas, of the load balancers whose X-Forwarded-For tells who the client is"`
	DrainDelay      drainDelay   `env:"BOXOFFICE_DRAIN_DELAY" envDefault:"0s" min:"0s" max:"2s" help:"how long a node that drains still takes new connections, for load balancers to see that it is not ready"`
	StartTimeout    ttl          `env:"BOXOFFICE_START_TIMEOUT" envDefault:"30s" min:"10ms" max:"24h" help:"how long a start waits for PostgreSQL and NATS to answer before it fails"`
	MaxConnections  int          `env:"BOXOFFICE_MAX_CONNECTIONS" envDefault:"25000" min:"1" max:"1000000" help:"most HTTP connections at a time, streams included; past it new ones wait to be accepted"`
	MaxStreams      int          `env:"BOXOFFICE_MAX_STREAMS" envDefault:"20000" min:"1" max:"1000000" help:"most streams of events at a time, and never more than four fifths of the connections; past it further ones get 503"`
	Demo            *bool        `env:"BOXOFFICE_DEMO" default:"true when both defaults are embedded, else false" help:"loads a few concerts at first start"`
	LogLevel        logLevel     `env:"BOXOFFICE_LOG_LEVEL" envDefault:"info" help:"least level that is logged: debug, info, warn or error"`
	LogFormat       logFormat    `env:"BOXOFFICE_LOG_FORMAT" envDefault:"auto" help:"text, json, or auto: text when stderr is a terminal, else json"`
	DebugListen     loopbackPort `env:"BOXOFFICE_DEBUG_LISTEN" help:"loopback address that serves Go profiles under /debug/pprof; without it there are none"`
}

// embedded tells whether both Postgres and NATS are the program's own.
func (s settings) embedded() bool { return s.DatabaseURL == "" && s.NATSURL == "" }

// streams is how many streams of events may be open. They take no more connections than
// leave every fifth to calls that are answered, those of operators above all.
func (s settings) streams() int { return min(s.MaxStreams, s.MaxConnections-s.MaxConnections/5) }

// demo tells whether the demo data is wanted.
func (s settings) demo() bool {
	if s.Demo == nil {
		return s.embedded()
	}
	return *s.Demo
}

// loadSettings reads the settings from "NAME=value" pairs. What is wrong comes back as
// a usageError that names each bad variable and what it must be.
func loadSettings(environ []string) (settings, error) {
	var s settings
	// A map of the library's own emptiness would mean the process's environment.
	environment := env.ToMap(environ)
	environment[""] = ""
	err := env.ParseWithOptions(&s, env.Options{Environment: environment})
	bad := badFields(err)
	var problems []string
	for _, field := range fields() {
		value := reflect.ValueOf(s).FieldByIndex(field.Index)
		if slices.Contains(bad, field.Name) || !withinBounds(field, value) {
			problems = append(problems, complaint(field, environment[field.Tag.Get("env")]))
		}
	}
	if len(problems) == 0 {
		problems = s.contradictions()
	}
	if len(problems) > 0 {
		return settings{}, usageError{message: strings.Join(problems, "; ")}
	}
	if err != nil {
		return settings{}, fmt.Errorf("read settings: %w", err)
	}
	return s, nil
}

// contradictions says which settings that are good by themselves do not go together.
func (s settings) contradictions() []string {
	var problems []string
	whole := len(s.NodeTLSCA) > 0 && len(s.NodeTLSCert) > 0 && len(s.NodeTLSKey) > 0
	none := len(s.NodeTLSCA)+len(s.NodeTLSCert)+len(s.NodeTLSKey) == 0
	switch {
	case none:
	case !whole:
		problems = append(problems, "BOXOFFICE_NODE_TLS_CA, BOXOFFICE_NODE_TLS_CERT and BOXOFFICE_NODE_TLS_KEY must be set together")
	case !isPair(s.NodeTLSCert, s.NodeTLSKey):
		problems = append(problems, "BOXOFFICE_NODE_TLS_KEY must be the key of BOXOFFICE_NODE_TLS_CERT")
	}
	switch {
	case len(s.NATSTLSCert)+len(s.NATSTLSKey) == 0:
	case len(s.NATSTLSCert) == 0 || len(s.NATSTLSKey) == 0:
		problems = append(problems, "BOXOFFICE_NATS_TLS_CERT and BOXOFFICE_NATS_TLS_KEY must be set together")
	case !isPair(s.NATSTLSCert, s.NATSTLSKey):
		problems = append(problems, "BOXOFFICE_NATS_TLS_KEY must be the key of BOXOFFICE_NATS_TLS_CERT")
	}
	if s.NATSURL == "" && (s.NATSCredentials != "" || len(s.NATSTLSCA)+len(s.NATSTLSCert) > 0) {
		problems = append(problems, "BOXOFFICE_NATS_URL must be set where BOXOFFICE_NATS_CREDENTIALS or BOXOFFICE_NATS_TLS_CA are")
	}
	return problems
}

// badFields names the fields whose values could not be parsed.
func badFields(err error) []string {
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return nil
	}
	var names []string
	for _, one := range all.Errors {
		if parse, ok := errors.AsType[env.ParseError](one); ok {
			names = append(names, parse.Name)
		}
	}
	return names
}

func fields() []reflect.StructField { return reflect.VisibleFields(reflect.TypeFor[settings]()) }

// withinBounds checks numbers against the tags min and max.
func withinBounds(field reflect.StructField, value reflect.Value) bool {
	if field.Type != reflect.TypeFor[int]() {
		return true
	}
	least, errLeast := strconv.ParseInt(field.Tag.Get("min"), 10, 64)
	most, errMost := strconv.ParseInt(field.Tag.Get("max"), 10, 64)
	if errLeast != nil || errMost != nil {
		return false // a number without bounds is a mistake of the table
	}
	return value.Int() >= least && value.Int() <= most
}

// complaint says what a variable must be, and what it is unless that is a secret.
func complaint(field reflect.StructField, value string) string {
	text := field.Tag.Get("env") + " must be " + must(field)
	if field.Tag.Get("secret") == "true" {
		return text
	}
	return fmt.Sprintf("%s, not %q", text, value)
}

// restricted is a type of setting that can say which values it takes: "must be …".
type restricted interface{ must() string }

func must(field reflect.StructField) string {
	if r, ok := reflect.TypeAssert[restricted](reflect.Zero(field.Type)); ok {
		return r.must()
	}
	switch field.Type {
	case reflect.TypeFor[int]():
		return "a whole number from " + field.Tag.Get("min") + " to " + field.Tag.Get("max")
	case reflect.TypeFor[*bool]():
		return "true or false"
	default:
		return "text"
	}
}

// unknownSettings names the variables that look like settings and are none: typing
// errors, usually, of somebody who wonders why nothing changes.
func unknownSettings(environ []string) []string {
	known := make(map[string]bool)
	for _, field := range fields() {
		known[field.Tag.Get("env")] = true
	}
	var unknown []string
	for name := range env.ToMap(environ) {
		if strings.HasPrefix(name, settingPrefix) && !known[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// settingRow is one line of the table of settings as people read it.
type settingRow struct{ name, fallback, meaning string }

// settingsTable gives the rows in the order that they are declared in. A fallback is
// empty where there is none.
func settingsTable() []settingRow {
	var rows []settingRow
	for _, field := range fields() {
		row := settingRow{
			name:     field.Tag.Get("env"),
			fallback: field.Tag.Get("envDefault"),
			meaning:  field.Tag.Get("help"),
		}
		if row.fallback == "" {
			row.fallback = field.Tag.Get("default")
		}
		if _, ok := field.Tag.Lookup("min"); ok {
			row.meaning += "; " + field.Tag.Get("min") + "–" + field.Tag.Get("max")
		}
		rows = append(rows, row)
	}
	return rows
}

// markdownTable renders the table for the README.
func markdownTable(rows []settingRow) string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, row := range rows {
		fallback := "–"
		if strings.Contains(row.fallback, " ") {
			fallback = row.fallback
		} else if row.fallback != "" {
			fallback = "`" + row.fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", row.name, fallback, row.meaning)
	}
	return b.String()
}
