package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"

	"boxoffice/cluster"
)

// tlsFiles holds what a node and its peers authenticate with, as PEM. Any may be empty.
type tlsFiles struct{ ca, certificate, key []byte }

// contradictions says what does not go together. whole means that the CA belongs to the rest.
func (f tlsFiles) contradictions(prefix string, whole bool) []string {
	parts := "_CERT and _KEY"
	if whole {
		parts = "_CA, " + parts
	}
	halves := (len(f.certificate) > 0) != (len(f.key) > 0) || whole && (len(f.ca) > 0) != (len(f.key) > 0)
	switch _, err := tls.X509KeyPair(f.certificate, f.key); {
	case halves:
		return []string{prefix + parts + " must be set together"}
	case len(f.certificate) > 0 && err != nil:
		return []string{prefix + "_KEY must be the key of " + prefix + "_CERT"}
	default:
		return nil
	}
}

func (f tlsFiles) authorities() *x509.CertPool { return certPool(f.ca) }

// parseAuthorities returns the certificates of a PEM.
func parseAuthorities(text []byte) (authorities []*x509.Certificate) {
	_, blocks := pemBlocks(string(text))
	for _, block := range blocks {
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			authorities = append(authorities, certificate)
		}
	}
	return authorities
}

func certPool(certificates []byte) *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(certificates)
	return p
}

// nodeTLS returns how nodes authenticate to each other; nil: without certificates. A
// certificate that the other nodes would refuse is a usageError.
func (s settings) nodeTLS() (*cluster.TLS, error) {
	if len(s.NodeTLS.certificate) == 0 {
		return nil, nil //nolint:nilnil // none is none
	}
	pair, err := tls.X509KeyPair(s.NodeTLS.certificate, s.NodeTLS.key)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(s.NodeAddress)
	if err != nil {
		return nil, err
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{
			DNSName: host, Roots: s.NodeTLS.authorities(), Intermediates: certPool(s.NodeTLS.certificate), KeyUsages: []x509.ExtKeyUsage{use},
		})
		if err != nil {
			return nil, usagef("BOXOFFICE_NODE_TLS_CERT must be vouched for by BOXOFFICE_NODE_TLS_CA, for servers and clients, "+
				"and for the host of BOXOFFICE_NODE_ADDRESS: %v", err)
		}
	}
	return &cluster.TLS{
		Authorities: parseAuthorities(s.NodeTLS.ca),
		Server: &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
			ClientCAs: s.NodeTLS.authorities(), ClientAuth: tls.RequireAndVerifyClientCert,
		},
		Client: &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: s.NodeTLS.authorities(),
		},
	}, nil
}

// natsTLS returns how this node and NATS authenticate; nil: NATS decides.
func (s settings) natsTLS() (*tls.Config, error) {
	if len(s.NATSTLS.ca)+len(s.NATSTLS.certificate) == 0 {
		return nil, nil //nolint:nilnil // none is none
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(s.NATSTLS.ca) > 0 {
		config.RootCAs = s.NATSTLS.authorities()
	}
	if len(s.NATSTLS.certificate) > 0 {
		pair, err := tls.X509KeyPair(s.NATSTLS.certificate, s.NATSTLS.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
