package cluster

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// secretBytes is the length of a secret: a seed of an Ed25519 key.
const secretBytes = ed25519.SeedSize

var errStranger = errors.New("the certificate is not made from a secret of this node")

// trust is what tells apart what nodes believe: the public keys of their secrets, or the
// authorities for certificates, of which a hash says nothing else.
func (c Config) trust() fingerprints {
	var known fingerprints
	if c.TLS == nil {
		for _, secret := range c.Secrets {
			known = append(known, fingerprint(ed25519.NewKeyFromSeed(secret).Public().(ed25519.PublicKey)))
		}
		return known
	}
	for _, authority := range c.TLS.Authorities {
		known = append(known, fingerprint(authority.Raw))
	}
	return known
}

func fingerprint(public []byte) string {
	sum := sha256.Sum256(append([]byte("boxoffice node "), public...))
	return hex.EncodeToString(sum[:8])
}

// tlsOf makes mutual TLS from secrets: whoever knows one has its key, and shows that in the
// handshake as ever. Names, authorities and times mean nothing; the keys are all.
func tlsOf(secrets [][]byte) (*TLS, error) {
	keys := make([]ed25519.PrivateKey, len(secrets))
	for i, secret := range secrets {
		keys[i] = ed25519.NewKeyFromSeed(secret)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "boxoffice node"},
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // none, by RFC 5280
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, keys[0].Public(), keys[0])
	if err != nil {
		return nil, fmt.Errorf("make a certificate from a secret: %w", err)
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: keys[0]}},
		ClientAuth:         tls.RequireAnyClientCert,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, of servers and clients
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errStranger
			}
			shown := state.PeerCertificates[0].PublicKey
			if !slices.ContainsFunc(keys, func(k ed25519.PrivateKey) bool { return k.Public().(ed25519.PublicKey).Equal(shown) }) {
				return errStranger
			}
			return nil
		},
	}
	return &TLS{Server: config, Client: config}, nil
}
