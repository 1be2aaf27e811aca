package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"

	"boxoffice/cluster"
)

// The types of settings that say who may talk to whom, and what is made of them.

// clusterName separates services that share a NATS.
type clusterName string

var clusterNames = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`) // as cluster takes them

func (clusterName) must() string { return "1–64 letters, digits, '-' or '_'" }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *clusterName) UnmarshalText(text []byte) error {
	if !clusterNames.Match(text) {
		return errBadSetting
	}
	*n = clusterName(text)
	return nil
}

// filePath is where a file is that is read later, and again.
type filePath string

func (filePath) must() string { return "the path of a file that can be read" }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *filePath) UnmarshalText(text []byte) error {
	content, err := os.ReadFile(string(text))
	if err != nil || len(content) == 0 {
		return errBadSetting
	}
	*p = filePath(text)
	return nil
}

// certificates are one or more certificates, as PEM.
type certificates []byte

func (certificates) must() string {
	return "one or more certificates as PEM, or @ and the path of a file that holds them"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *certificates) UnmarshalText(text []byte) error {
	content, err := pemText(text)
	if err != nil {
		return err
	}
	found := 0
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return errBadSetting // a key in the wrong place, usually
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return errBadSetting
		}
		found++
	}
	if found == 0 {
		return errBadSetting
	}
	*c = content
	return nil
}

// privateKey is the key of a certificate, as PEM.
type privateKey []byte

func (privateKey) must() string {
	return "a private key as PEM, not encrypted, or @ and the path of a file that holds one"
}

// UnmarshalText implements encoding.TextUnmarshaler. Whether the key is usable is seen
// with its certificate.
func (k *privateKey) UnmarshalText(text []byte) error {
	content, err := pemText(text)
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "PRIVATE KEY" || strings.HasSuffix(block.Type, " PRIVATE KEY") && block.Type != "ENCRYPTED PRIVATE KEY" {
			*k = content
			return nil
		}
	}
	return errBadSetting
}

// isPair tells whether a key is that of a certificate.
func isPair(certificate certificates, key privateKey) bool {
	_, err := tls.X509KeyPair(certificate, key)
	return err == nil
}

// prefixes are networks; an address alone is a network of one.
type prefixes []netip.Prefix

func (prefixes) must() string {
	return "networks and addresses separated by commas, such as 10.0.0.0/8,192.0.2.7"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *prefixes) UnmarshalText(text []byte) error {
	var all prefixes
	for one := range strings.SplitSeq(string(text), ",") {
		one = strings.TrimSpace(one)
		prefix, err := netip.ParsePrefix(one)
		if err != nil {
			address, err := netip.ParseAddr(one)
			if err != nil || address.Zone() != "" {
				return errBadSetting
			}
			prefix = netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen())
		}
		all = append(all, prefix.Masked())
	}
	*p = all
	return nil
}

// nodeTLS is how nodes prove to each other that they belong together; nil: by nodeSecret.
// A certificate that the other nodes would turn down is a usageError.
func (s settings) nodeTLS() (*cluster.TLS, error) {
	if len(s.NodeTLSCert) == 0 {
		return nil, nil //nolint:nilnil // none is none
	}
	pair, err := tls.X509KeyPair(s.NodeTLSCert, s.NodeTLSKey)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(string(s.NodeAddress))
	if err != nil {
		return nil, err
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{
			DNSName: host, Roots: pool(s.NodeTLSCA), Intermediates: pool(s.NodeTLSCert), KeyUsages: []x509.ExtKeyUsage{use},
		})
		if err != nil {
			return nil, usagef("BOXOFFICE_NODE_TLS_CERT must be vouched for by BOXOFFICE_NODE_TLS_CA, for servers and clients, "+
				"and for the host of BOXOFFICE_NODE_ADDRESS: %v", err)
		}
	}
	return &cluster.TLS{
		Server: &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
			ClientCAs: pool(s.NodeTLSCA), ClientAuth: tls.RequireAndVerifyClientCert,
		},
		Client: &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: pool(s.NodeTLSCA),
		},
	}, nil
}

// natsTLS is how this node and NATS prove who they are; nil: NATS decides by itself.
func (s settings) natsTLS() (*tls.Config, error) {
	if len(s.NATSTLSCA)+len(s.NATSTLSCert) == 0 {
		return nil, nil //nolint:nilnil // none is none
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(s.NATSTLSCA) > 0 {
		config.RootCAs = pool(s.NATSTLSCA)
	}
	if len(s.NATSTLSCert) > 0 {
		pair, err := tls.X509KeyPair(s.NATSTLSCert, s.NATSTLSKey)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func pool(authorities certificates) *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(authorities)
	return p
}
