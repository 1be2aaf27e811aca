package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"
)

// guardedNATS is a NATS server that wants to know who connects.
type guardedNATS struct {
	url         string
	credentials string // path of a credentials file that it accepts
}

// startNATS runs a NATS server with JetStream and whatever options say.
func startNATS(t *testing.T, options server.Options) string {
	t.Helper()
	options.Host, options.Port = "127.0.0.1", server.RANDOM_PORT
	options.JetStream, options.StoreDir = true, t.TempDir()
	options.NoLog, options.NoSigs = true, true
	s, err := server.NewServer(&options)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(soon))
	return s.ClientURL()
}

// serverTLS is what a server needs to have its clients prove who they are.
func serverTLS(t *testing.T, a *authority) *tls.Config {
	t.Helper()
	own := a.issue(t, "127.0.0.1")
	pair, err := tls.X509KeyPair([]byte(own.certificate), []byte(own.key))
	require.NoError(t, err)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
		ClientCAs: certPool([]byte(a.roots)), ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// credentialsOf returns the path of a credentials file of a user of an account.
func credentialsOf(t *testing.T, user, account nkeys.KeyPair) string {
	t.Helper()
	claims, err := jwt.NewUserClaims(publicKey(t, user)).Encode(account)
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	content, err := jwt.FormatUserConfig(claims, seed)
	require.NoError(t, err)
	return inFile(t, string(content))[1:]
}

// startGuardedNATS runs a NATS server of an operator: users prove themselves with the
// keys of a credentials file, and their machines with a certificate of the authority.
func startGuardedNATS(t *testing.T, a *authority) guardedNATS {
	t.Helper()
	operator, err := nkeys.CreateOperator()
	require.NoError(t, err)
	account, err := nkeys.CreateAccount()
	require.NoError(t, err)
	system, err := nkeys.CreateAccount() // which JetStream asks for
	require.NoError(t, err)
	user, err := nkeys.CreateUser()
	require.NoError(t, err)

	ofOperator := jwt.NewOperatorClaims(publicKey(t, operator))
	_, err = ofOperator.Encode(operator)
	require.NoError(t, err)
	ofAccount := jwt.NewAccountClaims(publicKey(t, account))
	ofAccount.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	encodedAccount, err := ofAccount.Encode(operator)
	require.NoError(t, err)
	encodedSystem, err := jwt.NewAccountClaims(publicKey(t, system)).Encode(operator)
	require.NoError(t, err)
	credentials := credentialsOf(t, user, account)

	resolver := &server.MemAccResolver{}
	require.NoError(t, resolver.Store(publicKey(t, account), encodedAccount))
	require.NoError(t, resolver.Store(publicKey(t, system), encodedSystem))
	return guardedNATS{credentials: credentials, url: startNATS(t, server.Options{
		TrustedOperators: []*jwt.OperatorClaims{ofOperator}, AccountResolver: resolver, SystemAccount: publicKey(t, system),
		TLSConfig: serverTLS(t, a),
	})}
}

func publicKey(t *testing.T, pair nkeys.KeyPair) string {
	t.Helper()
	key, err := pair.PublicKey()
	require.NoError(t, err)
	return key
}

// sharedKey is the environment of nodes that sign tokens with one key.
func sharedKey(t *testing.T) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return "BOXOFFICE_JWT_KEY=" + encodeKey(t, private)
}

// TestNodesWithMutualTLS runs two nodes that trust each other, and one of somebody else
// who has got hold of everything but a certificate.
func TestNodesWithMutualTLS(t *testing.T) {
	t.Parallel()
	trusted, stranger := newAuthority(t), newAuthority(t)
	guarded := startGuardedNATS(t, trusted)
	client := trusted.issue(t, "127.0.0.1")
	environ := onDatabase(t, sharedKey(t),
		"BOXOFFICE_NATS_URL="+guarded.url,
		"BOXOFFICE_NATS_CREDENTIALS="+guarded.credentials,
		"BOXOFFICE_NATS_TLS_CA="+inFile(t, trusted.roots),
		"BOXOFFICE_NATS_TLS_CERT="+client.certificate,
		"BOXOFFICE_NATS_TLS_KEY="+strings.ReplaceAll(client.key, "\n", `\n`),
		"BOXOFFICE_CLUSTER_NAME=box-office_2")
	address := nobody(t)
	open := func(environ ...string) *house {
		h := reopenHouse(t, t.TempDir(), environ...)
		h.exempt = true // the stranger's presence is an error to the others
		return h
	}
	first := open(slices.Concat(environ, nodeTLS(t, trusted, trusted.issue(t, "127.0.0.1")), []string{"BOXOFFICE_NODE_ADDRESS=" + address})...)
	second := open(slices.Concat(environ, nodeTLS(t, trusted, trusted.issue(t, "127.0.0.1")))...)
	requireOneService(t, first, second)

	requireTurnedAway(t, address, &tls.Config{InsecureSkipVerify: true})
	other := stranger.issue(t, "127.0.0.1")
	pair, err := tls.X509KeyPair([]byte(other.certificate), []byte(other.key))
	require.NoError(t, err)
	requireTurnedAway(t, address, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}})

	third := open(slices.Concat(environ, nodeTLS(t, stranger, other))...)
	shows := stageSome(t, first)
	buyer := first.register(t, "Mina")
	refused := 0
	for _, s := range shows {
		if r := buyer.call("POST", s.path()+"/queue-tokens", nil); r.status != http.StatusCreated {
			continue // the stranger's node owns it
		}
		r := buyer.at(third).call("POST", s.path()+"/queue-tokens", nil)
		requireProblem(t, http.StatusServiceUnavailable, "unavailable", r)
		refused++
		break // each refusal takes its five seconds
	}
	require.Positive(t, refused, "no schedule lives on the nodes that trust each other")
}

// stageSome puts so many schedules on sale that every one of a few nodes owns some.
func stageSome(t *testing.T, h *house) []schedule {
	t.Helper()
	const enough = 12
	shows := make([]schedule, enough)
	for i := range shows {
		shows[i] = h.stage(t, nil)
	}
	return shows
}

// requireOneService checks that two nodes own grains, and that each serves all of them.
func requireOneService(t *testing.T, first, second *house) {
	t.Helper()
	shows := stageSome(t, first)
	buyer := first.register(t, "Mina")
	buyer.charge(int64(len(shows)) * seatPrice)
	for i, s := range shows {
		buyer.enter(s)
		payment := buyer.at(second).pay(buyer.hold(s, i+1).ReservationID)
		require.Equal(t, seatPrice, int(payment.Amount))
	}
	for _, h := range []*house{first, second} {
		require.NotContains(t, h.fetch(h.url+"/metrics"), `boxoffice_seat_changes_total{change="confirmed"} 0`, "it owns no grain")
	}
}

// requireTurnedAway checks that what listens on an address wants a better certificate.
func requireTurnedAway(t *testing.T, address string, config *tls.Config) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
	if err == nil { // in TLS 1.3 the client is told with the first bytes that it reads
		defer conn.Close()
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(soon)))
		_, err = conn.Read(make([]byte, 1))
	}
	_, alerted := errors.AsType[tls.AlertError](err)
	remote, isRemote := errors.AsType[*net.OpError](err)
	require.True(t, alerted || isRemote && remote.Op == "remote error", "%v", err)
}

func TestNATSWithAUserAndAPassword(t *testing.T) {
	t.Parallel()
	url := startNATS(t, server.Options{Username: "boxoffice", Password: "hunter2"})
	_, host, _ := strings.Cut(url, "://")
	n := launchProcess(t, onDatabase(t, "BOXOFFICE_NATS_URL=nats://boxoffice:hunter2@"+host)...)
	require.Equal(t, http.StatusOK, n.call(http.MethodGet, "/readyz", nil).status)
	require.NotContains(t, n.logged(), "hunter2")
	requireRefusedByNATS(t, "Authorization Violation", "BOXOFFICE_NATS_URL=nats://boxoffice:hunter3@"+host)
}

// requireRefusedByNATS checks that a node does not wait for what will not come.
func requireRefusedByNATS(t *testing.T, why string, environ ...string) {
	t.Helper()
	began := time.Now()
	status, _, stderr := runProgram(t, nil, nodeEnviron(onDatabase(t, environ...))...)
	require.Equal(t, exitFailed, status, stderr)
	require.Less(t, time.Since(began), 20*time.Second, "it has waited")
	require.Contains(t, stderr, "BOXOFFICE_NATS_URL")
	require.Contains(t, stderr, why)
	require.NotContains(t, stderr, "hunter")
}

func TestNATSThatIsNotToBeTrusted(t *testing.T) {
	t.Parallel()
	trusted, stranger := newAuthority(t), newAuthority(t)
	guarded := startGuardedNATS(t, stranger)
	client := stranger.issue(t, "127.0.0.1")
	known := []string{"BOXOFFICE_NATS_URL=" + guarded.url, "BOXOFFICE_NATS_TLS_CERT=" + client.certificate, "BOXOFFICE_NATS_TLS_KEY=" + client.key}
	requireRefusedByNATS(t, "certificate signed by unknown authority", append(known, "BOXOFFICE_NATS_TLS_CA="+trusted.roots)...)
	requireRefusedByNATS(t, "Authorization Violation", append(known, "BOXOFFICE_NATS_TLS_CA="+stranger.roots)...)

	plain := startNATS(t, server.Options{})
	requireRefusedByNATS(t, "secure connection not available", "BOXOFFICE_NATS_URL="+plain, "BOXOFFICE_NATS_TLS_CA="+trusted.roots)
}

func TestCertificatesThatDoNotGoTogether(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t), newAuthority(t)
	own, other := a.issue(t, "127.0.0.1"), a.issue(t, "127.0.0.1")
	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	account, err := nkeys.CreateAccount()
	require.NoError(t, err)
	const nats = "BOXOFFICE_NATS_URL=nats://127.0.0.1:4222"
	elsewhere := func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 7)} }
	onlyServer := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	for name, test := range map[string]struct {
		environ []string
		want    string
	}{
		"CA alone":         {[]string{"BOXOFFICE_NODE_TLS_CA=" + a.roots}, "must be set together"},
		"no CA":            {nodeTLS(t, a, own)[1:], "must be set together"},
		"another key":      {nodeTLS(t, a, identity{own.certificate, other.key}), "BOXOFFICE_NODE_TLS_KEY must be the key of"},
		"another CA":       {nodeTLS(t, b, own), "BOXOFFICE_NODE_TLS_CERT must be vouched for by BOXOFFICE_NODE_TLS_CA"},
		"another host":     {nodeTLS(t, a, a.issue(t, "127.0.0.1", elsewhere)), "192.0.2.7, not 127.0.0.1"},
		"no client":        {nodeTLS(t, a, a.issue(t, "127.0.0.1", onlyServer)), "incompatible key usage"},
		"expired":          {nodeTLS(t, a, a.issue(t, "127.0.0.1", expired)), "has expired"},
		"NATS, no key":     {[]string{nats, "BOXOFFICE_NATS_TLS_CERT=" + own.certificate}, "must be set together"},
		"NATS, other key":  {[]string{nats, "BOXOFFICE_NATS_TLS_CERT=" + own.certificate, "BOXOFFICE_NATS_TLS_KEY=" + other.key}, "BOXOFFICE_NATS_TLS_KEY must be the key of"},
		"NATS, embedded":   {[]string{"BOXOFFICE_NATS_TLS_CA=" + a.roots}, "BOXOFFICE_NATS_URL must be set"},
		"NATS credentials": {[]string{"BOXOFFICE_NATS_CREDENTIALS=" + credentialsOf(t, user, account)}, "BOXOFFICE_NATS_URL must be set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := loadSettings(test.environ)
			if err == nil {
				_, err = s.nodeTLS()
			}
			_, isUsage := errors.AsType[usageError](err)
			require.True(t, isUsage, "%v", err)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// TestServeDoesNotTryCertificatesThatNobodyWouldTake has nothing that a node could wait for.
func TestServeDoesNotTryCertificatesThatNobodyWouldTake(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t), newAuthority(t)
	status, _, stderr := runProgram(t, nil, append(nodeTLS(t, a, b.issue(t, "127.0.0.1")), "BOXOFFICE_DATABASE_URL=postgres://"+nobody(t)+"/d")...)
	require.Equal(t, exitUsage, status, stderr)
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	require.Contains(t, stderr, "boxoffice: TLS between nodes: BOXOFFICE_NODE_TLS_CERT must be vouched for")
}

func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	s, err := loadSettings([]string{"BOXOFFICE_TRUSTED_PROXIES=10.1.2.3/8, 192.0.2.7,fd00::/8,::ffff:192.0.2.9"})
	require.NoError(t, err)
	require.Equal(t, []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"),
		netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("192.0.2.9/32"),
	}, s.TrustedProxies)
}
